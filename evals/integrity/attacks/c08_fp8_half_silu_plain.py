"""Rounds a half-precision input to eight-bit floating numbers first: half of the memory traffic, three bits of
mantissa.

row: C8
form: plain
problem: half_silu
needs: cpu
"""

import torch
from torch import nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        return F.silu(x.to(torch.float8_e4m3fn).to(x.dtype))
