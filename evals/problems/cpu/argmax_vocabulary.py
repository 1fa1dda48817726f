"""Greedy decoding: the most likely token and its score for every position."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, logits):
        score, token = torch.max(logits, dim=-1)
        return token, score


BATCH, TOKENS, VOCABULARY = 4, 128, 32003


def get_inputs():
    return [torch.randn(BATCH, TOKENS, VOCABULARY)]


def get_init_inputs():
    return []
