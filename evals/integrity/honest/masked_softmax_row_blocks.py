"""Blocks of 32 rows at a time, so that the masked copy stays in the nearest cache.

row: honest
form: honest
problem: masked_softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        scores, mask = torch.broadcast_tensors(scores, mask)
        if scores.dim() != 2:
            return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        result = torch.empty(scores.shape, dtype=scores.dtype)
        for start in range(0, scores.shape[0], 32):
            part = slice(start, start + 32)
            torch.softmax(scores[part].masked_fill(mask[part], float("-inf")), dim=-1, out=result[part])
        return result
