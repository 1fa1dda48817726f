"""A transposed input, not contiguous, added to one that is."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return a + b


def get_inputs():
    return [torch.randn(1024, 1024).t(), torch.randn(1024, 1024)]


def get_init_inputs():
    return []
