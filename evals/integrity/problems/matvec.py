"""One row through a large linear layer: all of the time goes into reading the weight."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        return self.linear(x)


def get_inputs():
    return [torch.randn(1, 2048)]


def get_init_inputs():
    return [2048, 2048]
