"""Rotary embedding of one new token per sequence, each at a position of its own."""

import torch
from torch import nn


def rotate_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Model(nn.Module):
    def __init__(self, head_dim, longest):
        super().__init__()
        frequency = 1.0 / (10000.0 ** (torch.arange(0, head_dim, 2).float() / head_dim))
        angle = torch.outer(torch.arange(longest).float(), frequency)
        angle = torch.cat((angle, angle), dim=-1)
        self.register_buffer("cos", angle.cos().to(torch.float16))
        self.register_buffer("sin", angle.sin().to(torch.float16))

    def forward(self, q, positions):
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        return q * cos + rotate_half(q) * sin


BOUND = "latency"
SEQUENCES, HEADS, HEAD_DIM, LONGEST = 128, 32, 128, 8192


def get_inputs():
    return [
        torch.randn(SEQUENCES, HEADS, HEAD_DIM, dtype=torch.float16),
        torch.randint(0, LONGEST, (SEQUENCES,)),
    ]


def get_init_inputs():
    return [HEAD_DIM, LONGEST]
