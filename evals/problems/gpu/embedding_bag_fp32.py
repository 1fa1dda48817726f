"""A recommendation model's sparse feature: the sum of twenty rows of a table for every user."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.table = nn.Embedding(rows, width)

    def forward(self, ids):
        return self.table(ids).sum(dim=1)


BOUND = "memory"
ROWS, WIDTH, USERS, PER_USER = 500_000, 128, 65536, 20


def get_inputs():
    return [torch.randint(0, ROWS, (USERS, PER_USER))]


def get_init_inputs():
    return [ROWS, WIDTH]
