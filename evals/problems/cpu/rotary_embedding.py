"""Rotary position embedding of queries and keys, half-split form."""

import torch
from torch import nn


def rotate_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Model(nn.Module):
    def __init__(self, head_dim, length):
        super().__init__()
        frequency = 1.0 / (10000.0 ** (torch.arange(0, head_dim, 2).float() / head_dim))
        angle = torch.outer(torch.arange(length).float(), frequency)
        angle = torch.cat((angle, angle), dim=-1)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, q, k):
        q = q * self.cos + rotate_half(q) * self.sin
        k = k * self.cos + rotate_half(k) * self.sin
        return q, k


BATCH, HEADS, LENGTH, HEAD_DIM = 2, 16, 1024, 64


def get_inputs():
    return [torch.randn(BATCH, HEADS, LENGTH, HEAD_DIM), torch.randn(BATCH, HEADS, LENGTH, HEAD_DIM)]


def get_init_inputs():
    return [HEAD_DIM, LENGTH]
