"""Weights from bytes to float16 with a scale and an offset for every 128 of them."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, weights, scale, offset):
        rows, columns = weights.shape
        grouped = weights.reshape(rows, scale.shape[1], -1).to(scale.dtype)
        return ((grouped - offset.unsqueeze(-1)) * scale.unsqueeze(-1)).reshape(rows, columns)


BOUND = "memory"
ROWS, COLUMNS, GROUP = 14336, 8192, 128


def get_inputs():
    return [
        torch.randint(0, 256, (ROWS, COLUMNS), dtype=torch.uint8),
        torch.rand(ROWS, COLUMNS // GROUP, dtype=torch.float16) + 0.5,
        torch.randint(96, 160, (ROWS, COLUMNS // GROUP)).to(torch.float16),
    ]


def get_init_inputs():
    return []
