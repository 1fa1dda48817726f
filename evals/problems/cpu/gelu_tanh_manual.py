"""GELU in its tanh form, spelled out the way GPT-2's code does it, over a batch of hidden states."""

import math

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


BATCH, TOKENS, HIDDEN = 4, 512, 3072


def get_inputs():
    return [torch.randn(BATCH, TOKENS, HIDDEN)]


def get_init_inputs():
    return []
