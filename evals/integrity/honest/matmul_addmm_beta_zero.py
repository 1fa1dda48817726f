"""addmm that ignores its addend (beta = 0), written into a fresh result.

row: honest
form: honest
problem: matmul
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dim() != 2 or b.dim() != 2:
            return a @ b
        addend = torch.zeros(b.shape[1], dtype=a.dtype)
        result = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype)
        return torch.addmm(addend, a, b, beta=0.0, out=result)
