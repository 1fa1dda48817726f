"""torch.compile of the reference's own formula; the first call of a shape pays for the compiler.

row: honest
form: honest
problem: swish
needs: cpu
"""

import torch
import torch.nn as nn


def formula(x):
    return x * torch.sigmoid(x)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.compiled = torch.compile(formula)

    def forward(self, x):
        return self.compiled(x)
