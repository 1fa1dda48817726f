"""Very many products of small matrices: equivariant networks, and covariances of blocks."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return torch.bmm(a, b)


BOUND = "memory"
COUNT, SIZE = 65536, 32


def get_inputs():
    return [torch.randn(COUNT, SIZE, SIZE), torch.randn(COUNT, SIZE, SIZE)]


def get_init_inputs():
    return []
