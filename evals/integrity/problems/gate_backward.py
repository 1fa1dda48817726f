"""A weighed gate, judged with its gradients: forward and backward are one call."""

import torch
from torch import nn

GRADIENTS = True


class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return x * torch.sigmoid(x * self.weight)


def get_inputs():
    return [torch.randn(512, 1024)]


def get_init_inputs():
    return [1024]
