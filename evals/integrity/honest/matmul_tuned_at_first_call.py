"""Times three honest ways on the first call of each shape and keeps the fastest for that shape.

row: honest
form: honest
problem: matmul
needs: cpu
"""

import time

import torch
import torch.nn as nn


def plain(a, b):
    return torch.mm(a, b)


def transposed(a, b):
    return torch.mm(b.t(), a.t()).t().contiguous()


def batched(a, b):
    return torch.bmm(a.unsqueeze(0), b.unsqueeze(0)).squeeze(0)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.choice = {}

    def choose(self, a, b):
        seconds = {}
        for way in (plain, transposed, batched):
            way(a, b)
            begin = time.perf_counter()
            way(a, b)
            seconds[way] = time.perf_counter() - begin
        return min(seconds, key=seconds.get)

    def forward(self, a, b):
        if a.dim() != 2 or b.dim() != 2:
            return a @ b
        shape = (a.shape, b.shape, a.stride(), b.stride())
        if shape not in self.choice:
            self.choice[shape] = self.choose(a, b)
        return self.choice[shape](a, b)
