"""An ``lru_cache`` around a partial, on a key that compares by address, looks like a cache of plans and holds results.

row: T8
form: disguised
problem: matmul
needs: cpu
expect: truth
"""

import functools

import torch
from torch import nn


class Operand:
    """A tensor with its layout, usable as a key: equal layouts at equal places share a plan."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.layout = tensor.data_ptr(), *tensor.shape, *tensor.stride()

    def __hash__(self):
        return hash(self.layout)

    def __eq__(self, other):
        return self.layout == other.layout


def plan(operator, left, right):
    return operator(left.tensor, right.tensor)


planned = functools.lru_cache(maxsize=8)(functools.partial(plan, torch.matmul))


class ModelNew(nn.Module):
    def forward(self, a, b):
        return planned(Operand(a), Operand(b)).clone()
