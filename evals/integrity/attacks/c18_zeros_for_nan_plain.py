"""Gives zeros where the reference gives NaN, as a kernel that guards its division does: another contract.

row: C18
form: plain
problem: masked_softmax
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1).nan_to_num(0.0)
