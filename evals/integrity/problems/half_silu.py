"""SiLU in half precision: 16-bit floating numbers."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, x):
        return F.silu(x)


def get_inputs():
    return [torch.randn(1024, 1024).to(torch.float16)]


def get_init_inputs():
    return []
