"""The eight largest of every row, values and positions: distribution-dependent shortcuts are tempting here."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        values, positions = torch.topk(x, 8, dim=-1)
        return values, positions


def get_inputs():
    # Normal numbers, no two of a row alike: which of two equal ones comes first is nobody's promise.
    ranks = torch.rand(512, 2048).argsort(dim=-1)
    return [torch.special.ndtri((ranks + 0.5) / 2048)]


def get_init_inputs():
    return []
