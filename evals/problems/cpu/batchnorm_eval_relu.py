"""BatchNorm with running statistics, the shortcut's addition and ReLU: a residual network at inference."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.bn.running_mean.normal_(std=0.5)
        self.bn.running_var.uniform_(0.5, 1.5)
        self.eval()

    def forward(self, x, shortcut):
        return F.relu(self.bn(x) + shortcut)


BATCH, CHANNELS, SIDE = 16, 128, 56


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, SIDE, SIDE), torch.randn(BATCH, CHANNELS, SIDE, SIDE)]


def get_init_inputs():
    return [CHANNELS]
