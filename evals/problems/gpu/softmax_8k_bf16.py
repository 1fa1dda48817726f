"""Softmax over rows of 8192: attention weights over a long context."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, scores):
        return torch.softmax(scores, dim=-1)


BOUND = "memory"
ROWS, COLUMNS = 16384, 8192


def get_inputs():
    return [torch.randn(ROWS, COLUMNS, dtype=torch.bfloat16)]


def get_init_inputs():
    return []
