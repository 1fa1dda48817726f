"""LoRA beside a frozen projection: two thin products of rank 16, scaled and added to its output."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x, base, down, up):
        return base + (x @ down) @ up * self.scale


BOUND = "memory"
TOKENS, HIDDEN, RANK = 16384, 4096, 16


def get_inputs():
    return [
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(HIDDEN, RANK, dtype=torch.bfloat16) * HIDDEN**-0.5,
        torch.randn(RANK, HIDDEN, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return [0.5]
