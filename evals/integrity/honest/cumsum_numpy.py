"""numpy's add.accumulate in float64.

row: honest
form: honest
problem: cumsum
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0:
            return torch.cumsum(x, dim=-1)
        values = x.detach().numpy()
        with np.errstate(all="ignore"):
            sums = np.add.accumulate(values, axis=-1, dtype=np.float64)
            return torch.from_numpy(sums.astype(values.dtype))
