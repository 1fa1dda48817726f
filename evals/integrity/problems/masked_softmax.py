"""Scores masked with minus infinity, then softmax: NaN and infinity are part of the contract."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, scores, mask):
        return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)


def get_inputs():
    mask = torch.rand(512, 1024) < 0.3
    mask[7] = True
    return [torch.randn(512, 1024), mask]


def get_init_inputs():
    return []
