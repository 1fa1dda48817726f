"""Logits before sampling: tokens already said are made less likely, then the temperature divides."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, penalty, temperature):
        super().__init__()
        self.penalty, self.temperature = penalty, temperature

    def forward(self, logits, said):
        lowered = torch.where(logits > 0, logits / self.penalty, logits * self.penalty)
        return torch.where(said, lowered, logits) / self.temperature


BOUND = "memory"
SEQUENCES, VOCABULARY = 512, 128256


def get_inputs():
    return [torch.randn(SEQUENCES, VOCABULARY), torch.rand(SEQUENCES, VOCABULARY) < 0.1]


def get_init_inputs():
    return [1.2, 0.8]
