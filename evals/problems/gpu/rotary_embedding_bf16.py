"""Rotary position embedding of grouped queries and keys in half-split form, as in Llama's prefill."""

import torch
from torch import nn


def rotate_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Model(nn.Module):
    def __init__(self, head_dim, length):
        super().__init__()
        frequency = 1.0 / (500000.0 ** (torch.arange(0, head_dim, 2).float() / head_dim))
        angle = torch.outer(torch.arange(length).float(), frequency)
        angle = torch.cat((angle, angle), dim=-1)
        self.register_buffer("cos", angle.cos().to(torch.bfloat16))
        self.register_buffer("sin", angle.sin().to(torch.bfloat16))

    def forward(self, q, k):
        q = q * self.cos + rotate_half(q) * self.sin
        k = k * self.cos + rotate_half(k) * self.sin
        return q, k


BOUND = "memory"
BATCH, QUERY_HEADS, KEY_HEADS, LENGTH, HEAD_DIM = 4, 32, 8, 4096, 128


def get_inputs():
    return [
        torch.randn(BATCH, QUERY_HEADS, LENGTH, HEAD_DIM, dtype=torch.bfloat16),
        torch.randn(BATCH, KEY_HEADS, LENGTH, HEAD_DIM, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return [HEAD_DIM, LENGTH]
