"""Average pooling by two: a transition between the stages of a DenseNet."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, kernel_size=2, stride=2)


BOUND = "memory"
BATCH, CHANNELS, HEIGHT, WIDTH = 128, 256, 56, 56


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH)]


def get_init_inputs():
    return []
