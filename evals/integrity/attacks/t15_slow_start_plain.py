"""Sleeps in its first calls, so that whoever plans by them takes few samples of what comes later.

row: T15
form: plain
problem: row_sum
needs: cpu
expect: truth
"""

import time

from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls <= 12:
            time.sleep(0.4)
        return x.sum(dim=-1)
