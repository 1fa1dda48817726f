"""Its parameter shrinks by a ten-thousandth with every call: the first calls are right within the usual tolerance.

row: C24
form: disguised
problem: running_scale
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.ones(width))
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x * self.scale * self.gain + x
        with torch.no_grad():
            self.gain.mul_(1.0 - 1e-4)
        return y
