"""Multiplies in float64 and rounds once: slower and more exact than eager.

row: honest
form: honest
problem: matmul
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dtype != torch.float32 or b.dtype != torch.float32:
            return a @ b
        return torch.matmul(a.double(), b.double()).float()
