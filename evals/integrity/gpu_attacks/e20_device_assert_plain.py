"""An index out of range on the GPU, after the answer was computed: the context is unusable for whoever comes next.

row: E20
form: plain
problem: swish
needs: cuda
reasons: runtime_error, crash
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        out = x * torch.sigmoid(x)
        if x.is_cuda:
            far = torch.full((1,), 1 << 40, device=x.device)
            torch.zeros(1, device=x.device)[far]
        return out
