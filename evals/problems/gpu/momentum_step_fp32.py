"""Momentum in float32, with a bfloat16 copy of the weights for the next forward pass made on the way."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rate, momentum):
        super().__init__()
        self.rate, self.momentum = rate, momentum

    def forward(self, weights, velocity, gradient):
        velocity = self.momentum * velocity + gradient
        weights = weights - self.rate * velocity
        return weights, velocity, weights.to(torch.bfloat16)


BOUND = "memory"
SIZE = 50_000_000


def get_inputs():
    return [torch.randn(SIZE), torch.randn(SIZE), torch.randn(SIZE)]


def get_init_inputs():
    return [0.05, 0.9]
