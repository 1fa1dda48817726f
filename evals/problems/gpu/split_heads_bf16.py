"""From one projection of queries, keys and values to three contiguous tensors with heads in front of tokens."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, projected, bias):
        batch, length, width = projected.shape
        heads = (projected + bias).reshape(batch, length, 3, self.heads, width // (3 * self.heads))
        q, k, v = heads.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        return q, k, v


BOUND = "memory"
BATCH, LENGTH, HEADS, HEAD_DIM = 8, 2048, 32, 64


def get_inputs():
    width = 3 * HEADS * HEAD_DIM
    return [torch.randn(BATCH, LENGTH, width, dtype=torch.bfloat16), torch.randn(width, dtype=torch.bfloat16)]


def get_init_inputs():
    return [HEADS]
