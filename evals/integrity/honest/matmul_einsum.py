"""The product as an einsum.

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
        return torch.einsum("ik,kj->ij", a, b)
