"""Mean hinge loss with a label per row, broadcast over the columns."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, predictions, targets):
        return torch.mean(torch.clamp(1 - predictions * targets, min=0))


ROWS, COLUMNS = 2048, 4096


def get_inputs():
    return [torch.randn(ROWS, COLUMNS), torch.randint(0, 2, (ROWS, 1)).float() * 2 - 1]


def get_init_inputs():
    return []
