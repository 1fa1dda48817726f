"""addmm with the bias, then GELU written over the fresh product.

row: honest
form: honest
problem: linear_gelu
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        weight, bias = self.linear.weight, self.linear.bias
        y = torch.addmm(bias, x.reshape(-1, x.shape[-1]), weight.t())
        torch._C._nn.gelu_(y)
        return y.reshape(*x.shape[:-1], weight.shape[0])
