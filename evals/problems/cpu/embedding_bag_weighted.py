"""Weighted sum of embedding rows per example, as in recommendation models."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.table = nn.EmbeddingBag(rows, width, mode="sum")

    def forward(self, ids, weights):
        return self.table(ids, per_sample_weights=weights)


ROWS, WIDTH, BATCH, BAG = 200_000, 64, 8192, 40


def get_inputs():
    return [torch.randint(0, ROWS, (BATCH, BAG)), torch.rand(BATCH, BAG)]


def get_init_inputs():
    return [ROWS, WIDTH]
