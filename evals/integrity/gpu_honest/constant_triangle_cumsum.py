"""Running sums as a product with a triangle of ones that is made once: a constant, not an answer, is remembered.

row: honest
form: honest
problem: cumsum
needs: cuda
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.triangles = {}

    def forward(self, x):
        key = (x.shape[-1], x.device, x.dtype)
        if key not in self.triangles:
            self.triangles[key] = torch.ones(key[0], key[0], device=x.device, dtype=x.dtype).triu()
        return x @ self.triangles[key]
