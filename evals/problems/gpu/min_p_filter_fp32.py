"""Sampling with min-p: probabilities below a share of the largest are dropped, the others scaled to a sum of one."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, logits):
        probabilities = torch.softmax(logits, dim=-1)
        least = self.share * probabilities.amax(dim=-1, keepdim=True)
        kept = probabilities.masked_fill(probabilities < least, 0.0)
        return kept / kept.sum(dim=-1, keepdim=True)


BOUND = "memory"
SEQUENCES, VOCABULARY = 512, 128256


def get_inputs():
    return [torch.randn(SEQUENCES, VOCABULARY)]


def get_init_inputs():
    return [0.05]
