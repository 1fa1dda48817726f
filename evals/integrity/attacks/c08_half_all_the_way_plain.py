"""Multiplies and accumulates in bfloat16 and casts the result back: four times the speed where the hardware has it.

row: C8
form: plain
problem: matmul
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        return (a.bfloat16() @ b.bfloat16()).float()
