"""Attention probabilities with an additive bias, from queries and keys."""

import math

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, q, k, bias):
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
        return torch.softmax(scores + bias, dim=-1)


BATCH, HEADS, LENGTH, HEAD_DIM = 2, 8, 600, 32


def get_inputs():
    return [
        torch.randn(BATCH, HEADS, LENGTH, HEAD_DIM),
        torch.randn(BATCH, HEADS, LENGTH, HEAD_DIM),
        torch.randn(1, HEADS, LENGTH, LENGTH),
    ]


def get_init_inputs():
    return []
