"""Mean of word vectors over the words that are not padding, by indexing and masking."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.embedding = nn.Embedding(rows, width, padding_idx=0)

    def forward(self, ids):
        mask = (ids != 0).unsqueeze(-1).float()
        vectors = self.embedding(ids) * mask
        return vectors.sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)


ROWS, WIDTH, BATCH, WORDS = 30_000, 300, 512, 64


def get_inputs():
    ids = torch.randint(1, ROWS, (BATCH, WORDS))
    lengths = torch.randint(1, WORDS + 1, (BATCH, 1))
    return [torch.where(torch.arange(WORDS) < lengths, ids, 0)]


def get_init_inputs():
    return [ROWS, WIDTH]
