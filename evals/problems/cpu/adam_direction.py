"""The direction of an Adam step from gradient and moments: a long pointwise chain on flat buffers."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, beta1, beta2, eps):
        super().__init__()
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def forward(self, p, g, m, v):
        m = self.beta1 * m + (1 - self.beta1) * g
        v = torch.addcmul(self.beta2 * v, g, g, value=1 - self.beta2)
        step = m / (v.sqrt() + self.eps) + 0.01 * p
        return p - 1e-3 * step, m, v


SIZE = 3_000_000


def get_inputs():
    return [torch.randn(SIZE), torch.randn(SIZE), torch.randn(SIZE), torch.rand(SIZE)]


def get_init_inputs():
    return [0.9, 0.999, 1e-8]
