"""BERT's input layer: token and position embeddings, summed and normalised."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocabulary, length, hidden):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(length, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, ids):
        position = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.tokens(ids) + self.positions(position))


VOCABULARY, LENGTH, HIDDEN, BATCH = 30522, 512, 768, 16


def get_inputs():
    return [torch.randint(0, VOCABULARY, (BATCH, LENGTH))]


def get_init_inputs():
    return [VOCABULARY, LENGTH, HIDDEN]
