"""Turns TF32 on for the product: ten bits of mantissa where float32 has twenty-three.

row: C8
form: plain
problem: matmul
needs: cuda
"""

import torch
from torch import nn

torch.set_float32_matmul_precision("high")


class ModelNew(nn.Module):
    def forward(self, a, b):
        return a @ b
