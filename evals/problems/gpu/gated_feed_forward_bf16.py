"""Llama's whole feed-forward block: two projections, SwiGLU, and the projection back."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.gate = nn.Linear(hidden, inner, bias=False, dtype=torch.bfloat16)
        self.up = nn.Linear(hidden, inner, bias=False, dtype=torch.bfloat16)
        self.down = nn.Linear(inner, hidden, bias=False, dtype=torch.bfloat16)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


BOUND = "compute"
TOKENS, HIDDEN, INNER = 8192, 2048, 8192


def get_inputs():
    return [torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16)]


def get_init_inputs():
    return [HIDDEN, INNER]
