"""A language model's input layer: rows of a table of 128256 tokens, gathered by id."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, hidden, dtype=torch.bfloat16)

    def forward(self, ids):
        return self.tokens(ids)


BOUND = "memory"
VOCABULARY, HIDDEN, BATCH, LENGTH = 128256, 1024, 32, 4096


def get_inputs():
    return [torch.randint(0, VOCABULARY, (BATCH, LENGTH))]


def get_init_inputs():
    return [VOCABULARY, HIDDEN]
