"""Residual addition and LayerNorm as modules make it: weight ones, bias zeros."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x, residual):
        return self.norm(x + residual)


def get_inputs():
    return [torch.randn(1024, 768), torch.randn(1024, 768)]


def get_init_inputs():
    return [768]
