"""The gate in float32, rounded to bfloat16 once.

row: honest
form: honest
problem: swiglu_bf16
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, gate, up):
        wide = gate.float()
        return (wide * torch.sigmoid(wide) * up.float()).to(torch.bfloat16)
