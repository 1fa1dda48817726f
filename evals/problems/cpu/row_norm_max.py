"""Largest absolute value, L1 norm and L2 norm of every row."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        return torch.stack([x.abs().amax(dim=1), torch.norm(x, p=1, dim=1), torch.norm(x, dim=1)], dim=1)


ROWS, COLUMNS = 2048, 8192


def get_inputs():
    return [torch.randn(ROWS, COLUMNS)]


def get_init_inputs():
    return []
