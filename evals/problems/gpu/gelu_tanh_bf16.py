"""GELU in its tanh form over the hidden states of a feed-forward block, as in GPT-2 and Gemma."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, x):
        return F.gelu(x, approximate="tanh")


BOUND = "memory"
TOKENS, HIDDEN = 8192, 14336


def get_inputs():
    return [torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16)]


def get_init_inputs():
    return []
