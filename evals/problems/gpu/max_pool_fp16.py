"""Max pooling with overlapping windows after the first convolution of a residual network."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, x):
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


BOUND = "memory"
BATCH, CHANNELS, HEIGHT, WIDTH = 128, 64, 112, 112


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH, dtype=torch.float16)]


def get_init_inputs():
    return []
