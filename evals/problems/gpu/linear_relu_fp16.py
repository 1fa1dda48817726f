"""One layer of a recommendation model's tower: projection with bias and ReLU for a large batch."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.linear = nn.Linear(inner, outer, dtype=torch.float16)

    def forward(self, x):
        return F.relu(self.linear(x))


BOUND = "compute"
BATCH, INNER, OUTER = 65536, 1024, 1024


def get_inputs():
    return [torch.randn(BATCH, INNER, dtype=torch.float16)]


def get_init_inputs():
    return [INNER, OUTER]
