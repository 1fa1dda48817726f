"""The end of an attention block: output projection, residual addition, and the norm the next block begins with."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.linear = nn.Linear(hidden, hidden, bias=False, dtype=torch.float16)
        self.norm = nn.RMSNorm(hidden, eps=1e-5, dtype=torch.float16)

    def forward(self, x, residual):
        residual = residual + self.linear(x)
        return self.norm(residual), residual


BOUND = "compute"
TOKENS, HIDDEN = 16384, 4096


def get_inputs():
    return [
        torch.randn(TOKENS, HIDDEN, dtype=torch.float16),
        torch.randn(TOKENS, HIDDEN, dtype=torch.float16),
    ]


def get_init_inputs():
    return [HIDDEN]
