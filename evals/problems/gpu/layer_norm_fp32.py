"""LayerNorm with weight and bias over the hidden states of a GPT-2 in float32."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x):
        return self.norm(x)


BOUND = "memory"
TOKENS, HIDDEN = 32768, 2048


def get_inputs():
    return [torch.randn(TOKENS, HIDDEN)]


def get_init_inputs():
    return [HIDDEN]
