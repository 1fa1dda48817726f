"""The inner dimension in two halves: the second product is added onto the first in place, in the fresh result.

row: honest
form: honest
problem: matmul
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        half = a.shape[-1] // 2
        if a.dim() != 2 or b.dim() != 2 or b.shape[0] != a.shape[1] or half == 0:
            return a @ b
        result = torch.mm(a[:, :half], b[:half])
        return result.addmm_(a[:, half:], b[half:])
