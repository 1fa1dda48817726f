"""Projection, scaling, doubling, clamp, logsumexp over the features, and x times mish of it."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, inner, outer, scale):
        super().__init__()
        self.matmul = nn.Linear(inner, outer)
        self.scale = scale

    def forward(self, x):
        x = self.matmul(x) * self.scale
        x = x + x
        x = torch.clamp(x, -10.0, 10.0)
        x = torch.logsumexp(x, dim=1, keepdim=True)
        return x * F.mish(x)


BATCH, INNER, OUTER = 1024, 256, 4096


def get_inputs():
    return [torch.randn(BATCH, INNER)]


def get_init_inputs():
    return [INNER, OUTER, 2.0]
