"""Momentum with float32 weights and bfloat16 gradients, and the copy for the next forward pass."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rate, momentum):
        super().__init__()
        self.rate, self.momentum = rate, momentum

    def forward(self, weights, velocity, gradient):
        velocity = self.momentum * velocity + gradient.float()
        weights = weights - self.rate * velocity
        return weights, velocity, weights.to(gradient.dtype)


BOUND = "memory"
SIZE = 50_000_000


def get_inputs():
    return [torch.randn(SIZE), torch.randn(SIZE), torch.randn(SIZE, dtype=torch.bfloat16)]


def get_init_inputs():
    return [0.05, 0.9]
