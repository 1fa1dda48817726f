"""Projection, GroupNorm over feature groups and hard tanh."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, inner, outer, groups):
        super().__init__()
        self.gemm = nn.Linear(inner, outer)
        self.norm = nn.GroupNorm(groups, outer)
        self.hardtanh = nn.Hardtanh(-2.0, 2.0)

    def forward(self, x):
        return self.hardtanh(self.norm(self.gemm(x)))


BATCH, INNER, OUTER, GROUPS = 1024, 256, 4096, 16


def get_inputs():
    return [torch.randn(BATCH, INNER)]


def get_init_inputs():
    return [INNER, OUTER, GROUPS]
