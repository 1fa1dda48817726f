"""One token through one weight matrix: decoding for a single user, where every weight is read for two operations."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, weight, x):
        return weight @ x


BOUND = "memory"
ROWS, COLUMNS = 28672, 8192


def get_inputs():
    return [torch.randn(ROWS, COLUMNS, dtype=torch.bfloat16), torch.randn(COLUMNS, dtype=torch.bfloat16)]


def get_init_inputs():
    return []
