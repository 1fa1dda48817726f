"""GEGLU with exact GELU: the feed-forward activation in the transformer blocks of SDXL's U-Net."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, projected):
        value, gate = projected.chunk(2, dim=-1)
        return value * F.gelu(gate)


BOUND = "memory"
TOKENS, HIDDEN = 16384, 5120


def get_inputs():
    return [torch.randn(TOKENS, 2 * HIDDEN, dtype=torch.float16)]


def get_init_inputs():
    return []
