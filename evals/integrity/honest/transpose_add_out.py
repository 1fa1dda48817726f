"""The out= variant with a row-major result, so that torch chooses the order of its loops by the result.

row: honest
form: honest
problem: transpose_add
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        shape = torch.broadcast_shapes(a.shape, b.shape)
        return torch.add(a, b, out=torch.empty(shape, dtype=torch.result_type(a, b)))
