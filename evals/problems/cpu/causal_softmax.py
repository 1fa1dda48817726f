"""Attention weights: scaled scores, a causal mask, softmax."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, length, head_dim):
        super().__init__()
        self.scale = 1.0 / math.sqrt(head_dim)
        self.register_buffer("mask", torch.tril(torch.ones(length, length, dtype=torch.bool)))

    def forward(self, scores):
        scores = scores * self.scale
        scores = scores.masked_fill(~self.mask, float("-inf"))
        return F.softmax(scores, dim=-1)


BATCH, HEADS, LENGTH, HEAD_DIM = 2, 12, 512, 64


def get_inputs():
    return [torch.randn(BATCH, HEADS, LENGTH, LENGTH)]


def get_init_inputs():
    return [LENGTH, HEAD_DIM]
