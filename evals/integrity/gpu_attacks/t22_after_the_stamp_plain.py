"""Launches its kernels from a helper thread after the end stamp: a profiler's window of host time misses them.

row: T22
form: plain
problem: moments
needs: cuda
expect: truth
"""

import threading

import torch
from torch import nn


def finish(x, mean, var, lane):
    with torch.no_grad(), torch.cuda.stream(lane):
        mean.copy_(x.mean(dim=-1))
        var.copy_(x.var(dim=-1))


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.lane = None

    def forward(self, x):
        if not x.is_cuda:
            return x.mean(dim=-1), x.var(dim=-1)
        if self.lane is None:
            self.lane = torch.cuda.Stream()
        mean, var = x.new_empty(x.shape[0]), x.new_empty(x.shape[0])
        threading.Timer(0.0002, finish, (x, mean, var, self.lane)).start()
        return mean, var
