"""A matrix product: linear in both inputs, so that integer-valued inputs have exact answers."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return a @ b


def get_inputs():
    return [torch.randn(384, 512), torch.randn(512, 384)]


def get_init_inputs():
    return []
