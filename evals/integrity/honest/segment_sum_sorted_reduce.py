"""Sorts the rows by segment and reduces stretches of equal index with segment_reduce.

row: honest
form: honest
problem: segment_sum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, rows, index):
        index = index.to(torch.int64)
        if rows.numel() == 0:
            return torch.zeros(256, rows.shape[1]).index_add_(0, index, rows)
        lengths = torch.bincount(index, minlength=256)
        if lengths.numel() > 256:
            raise IndexError("an index is out of range")
        order = torch.argsort(index, stable=True)
        gathered = rows.index_select(0, order)
        return torch.segment_reduce(gathered, "sum", lengths=lengths, axis=0, initial=0.0)
