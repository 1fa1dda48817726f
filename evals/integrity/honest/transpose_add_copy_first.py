"""A dense copy of the first operand, then an addition in place on that copy.

row: honest
form: honest
problem: transpose_add
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.shape != b.shape or a.dtype != b.dtype:
            return a + b
        return a.clone(memory_format=torch.contiguous_format).add_(b)
