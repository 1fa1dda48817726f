"""Row sums as a batch of products with ones: 64 partial sums by a matrix product, the rest by torch.

row: honest
form: honest
problem: row_sum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] == 0 or x.shape[-1] % 64:
            return x.sum(dim=-1)
        parts = x.reshape(*x.shape[:-1], 64, x.shape[-1] // 64)
        ones = torch.ones(parts.shape[-1], 1, dtype=x.dtype)
        return torch.matmul(parts, ones).squeeze(-1).sum(dim=-1)
