"""Square blocks of 128 by slices, each added straight into its place in the result.

row: honest
form: honest
problem: transpose_add
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dim() != 2 or a.shape != b.shape or a.dtype != b.dtype:
            return a + b
        result = torch.empty(a.shape, dtype=a.dtype)
        for top in range(0, a.shape[0], 128):
            for left in range(0, a.shape[1], 128):
                block = (slice(top, top + 128), slice(left, left + 128))
                torch.add(a[block], b[block], out=result[block])
        return result
