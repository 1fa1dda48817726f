"""Raw attention scores to weights in float32: scale, causal mask, softmax."""

import math

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, length, head_dim):
        super().__init__()
        self.scale = 1.0 / math.sqrt(head_dim)
        self.register_buffer("future", torch.ones(length, length, dtype=torch.bool).triu(1))

    def forward(self, scores):
        scores = (scores * self.scale).masked_fill(self.future, float("-inf"))
        return torch.softmax(scores, dim=-1)


BOUND = "memory"
BATCH, HEADS, LENGTH, HEAD_DIM = 2, 16, 2048, 128


def get_inputs():
    return [torch.randn(BATCH, HEADS, LENGTH, LENGTH) * math.sqrt(HEAD_DIM)]


def get_init_inputs():
    return [LENGTH, HEAD_DIM]
