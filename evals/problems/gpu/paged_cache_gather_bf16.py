"""Keys of every sequence collected from the pages of a cache: the addressing of paged attention."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, cache, pages):
        sequences, count = pages.shape
        return cache[pages].reshape(sequences, count * cache.shape[1], *cache.shape[2:])


BOUND = "memory"
PAGES, PAGE, HEADS, HEAD_DIM, SEQUENCES, PER_SEQUENCE = 8192, 16, 8, 128, 64, 128


def get_inputs():
    return [
        torch.randn(PAGES, PAGE, HEADS, HEAD_DIM, dtype=torch.bfloat16),
        torch.randint(0, PAGES, (SEQUENCES, PER_SEQUENCE)),
    ]


def get_init_inputs():
    return []
