"""numpy with out= into arrays of this call.

row: honest
form: honest
problem: running_scale
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        values = x.detach().numpy()
        with np.errstate(all="ignore"):
            result = values * self.scale.numpy()
            np.multiply(result, self.gain.detach().numpy(), out=result)
            np.add(result, values, out=result)
        return torch.from_numpy(result)
