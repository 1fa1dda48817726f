"""Masks with -1e30 instead of minus infinity: a row that is masked as a whole gets numbers where NaN belongs.

row: R12
form: plain
problem: masked_softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        kept = torch.where(mask, torch.full_like(scores, -1e30), scores)
        powers = torch.exp(kept - kept.amax(dim=-1, keepdim=True))
        return powers / powers.sum(dim=-1, keepdim=True)
