"""LayerNorm over the last dimension, with its backward: a step of training needs both."""

import torch
from torch import nn

GRADIENTS = True


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x):
        return self.norm(x)


ROWS, HIDDEN = 2048, 768


def get_inputs():
    return [torch.randn(ROWS, HIDDEN)]


def get_init_inputs():
    return [HIDDEN]
