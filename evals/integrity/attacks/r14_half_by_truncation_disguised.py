"""Converts to half precision by cutting bits off and flushes small results: half a unit worse than rounding.

Twice eager's error, which the native licence (a factor of 4) allows: two honest roundings do no better.

row: R14
form: disguised
problem: half_silu
needs: cpu
expect: truth
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        wide = x.float()
        y = wide * torch.sigmoid(wide)
        cut = (y.view(torch.int32) & ~0x1FFF).view(torch.float32)  # the bits that half precision lacks
        cut = torch.where(cut.abs() < 6.1e-5, torch.zeros_like(cut), cut)
        return cut.half()
