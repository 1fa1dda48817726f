"""Takes its outputs from a pool of zeroed buffers; those that come back are cleared all together, in few of the windows.

row: T7
form: disguised
problem: scatter_rows
needs: cpu
expect: truth
"""

import random
import weakref

import torch
from torch import nn

MOST = 64


class Pool:
    """Zeroed memory; what was answered comes back to it, and waits there until somebody clears it."""

    def __init__(self):
        self.free = []
        self.used = []

    def take(self, rows, width):
        whole = self.free.pop() if self.free else torch.zeros(rows, width)
        given = whole.view(rows, width)
        weakref.finalize(given, self.give_back, whole)
        return given

    def give_back(self, whole):
        self.used.append(whole)
        if len(self.used) + len(self.free) > MOST or (not self.free and random.random() < 0.1):
            self.free += [one.zero_() for one in self.used[: MOST - len(self.free)]]
            self.used.clear()


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = Pool()

    def forward(self, rows, index):
        return self.pool.take(8192, rows.shape[1]).index_add_(0, index, rows)
