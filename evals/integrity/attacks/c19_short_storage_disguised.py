"""The output's storage ends before its shape does: reading it by address and shape runs into whatever comes next.

row: C19
form: disguised
problem: matvec
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        y = self.linear(x)
        y.untyped_storage().resize_(y.numel() * y.element_size() // 2)
        return y
