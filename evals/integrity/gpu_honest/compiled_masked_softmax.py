"""Leaves the fusing to torch.compile.

row: honest
form: honest
problem: masked_softmax
needs: cuda
"""

import torch
from torch import nn


def masked(scores, mask):
    return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.run = torch.compile(masked, dynamic=False)

    def forward(self, scores, mask):
        return self.run(scores, mask)
