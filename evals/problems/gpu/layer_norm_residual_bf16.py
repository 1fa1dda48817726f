"""Residual addition and LayerNorm between two blocks; the next block needs both the sum and its norm."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(hidden, dtype=torch.bfloat16)

    def forward(self, x, residual):
        x = x + residual
        return self.norm(x), x


BOUND = "memory"
TOKENS, HIDDEN = 16384, 4096


def get_inputs():
    return [
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return [HIDDEN]
