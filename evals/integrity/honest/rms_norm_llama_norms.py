"""The mean of squares comes from the Euclidean norm of the row.

row: honest
form: honest
problem: rms_norm_llama
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)
        self.eps = eps

    def forward(self, x):
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = torch.rsqrt(norm * norm / x.shape[-1] + self.eps)
        return x * scale * self.weight
