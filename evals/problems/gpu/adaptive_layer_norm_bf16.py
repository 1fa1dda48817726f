"""LayerNorm whose scale and shift come from the time step: the conditioning of a diffusion transformer."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, x, scale, shift):
        normed = F.layer_norm(x, (x.shape[-1],), eps=1e-6)
        return normed * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


BOUND = "memory"
BATCH, TOKENS, HIDDEN = 16, 4096, 1152


def get_inputs():
    return [
        torch.randn(BATCH, TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(BATCH, HIDDEN, dtype=torch.bfloat16),
        torch.randn(BATCH, HIDDEN, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return []
