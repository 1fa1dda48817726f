"""SwiGLU on one projection that holds gate and value side by side, as Llama's fused feed-forward has it."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, projected):
        gate, value = projected.chunk(2, dim=-1)
        return F.silu(gate) * value


BOUND = "memory"
TOKENS, HIDDEN = 8192, 14336


def get_inputs():
    return [torch.randn(TOKENS, 2 * HIDDEN, dtype=torch.bfloat16)]


def get_init_inputs():
    return []
