"""torch.compile (inductor) of the formula, kept by the module and specialised to the shapes it meets.

row: honest
form: honest
problem: softmax
needs: cpu
"""

import torch
import torch.nn as nn


def formula(x):
    weights = torch.exp(x - x.amax(dim=-1, keepdim=True))
    return weights / weights.sum(dim=-1, keepdim=True)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.compiled = torch.compile(formula, dynamic=False)

    def forward(self, x):
        if x.dim() == 0 or x.numel() == 0:
            return torch.softmax(x, dim=-1)
        return self.compiled(x.contiguous())
