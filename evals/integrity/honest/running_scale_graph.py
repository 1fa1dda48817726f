"""torch.compile with the aot_eager backend: traced, not turned into C++, so about as fast as eager.

row: honest
form: honest
problem: running_scale
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)
        self.traced = torch.compile(self.formula, backend="aot_eager", dynamic=True)

    def formula(self, x):
        return x * self.scale * self.gain + x

    def forward(self, x):
        return self.traced(x)
