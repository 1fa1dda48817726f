"""One temporary that is rounded and clamped in place before it is converted.

row: honest
form: honest
problem: quantize
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return x.mul(32.0).round_().clamp_(-128, 127).to(torch.int8)
