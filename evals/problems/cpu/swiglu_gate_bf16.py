"""The same gate in bfloat16, with the two projections as separate tensors."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, gate, up):
        return F.silu(gate) * up


TOKENS, HIDDEN = 2048, 5504


def get_inputs():
    return [
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return []
