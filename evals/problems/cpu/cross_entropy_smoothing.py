"""Cross-entropy with label smoothing over a vocabulary."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, smoothing):
        super().__init__()
        self.loss = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def forward(self, logits, targets):
        return self.loss(logits, targets)


TOKENS, VOCABULARY = 512, 32000


def get_inputs():
    return [torch.randn(TOKENS, VOCABULARY), torch.randint(0, VOCABULARY, (TOKENS,))]


def get_init_inputs():
    return [0.1]
