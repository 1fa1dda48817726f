"""Residual addition followed by LayerNorm, as between the blocks of a transformer."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x, residual):
        return self.norm(x + residual)


BATCH, TOKENS, HIDDEN = 8, 1024, 768


def get_inputs():
    return [torch.randn(BATCH, TOKENS, HIDDEN), torch.randn(BATCH, TOKENS, HIDDEN)]


def get_init_inputs():
    return [HIDDEN]
