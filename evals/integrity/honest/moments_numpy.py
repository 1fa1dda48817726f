"""numpy's mean and var with ddof=1, accumulated in float64.

row: honest
form: honest
problem: moments
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] < 2:
            return x.mean(dim=-1), x.var(dim=-1)
        values = x.detach().numpy()
        with np.errstate(all="ignore"):
            mean = values.mean(axis=-1, dtype=np.float64)
            variance = values.var(axis=-1, ddof=1, dtype=np.float64)
            results = [np.asarray(item).astype(values.dtype) for item in (mean, variance)]
        return torch.from_numpy(results[0]), torch.from_numpy(results[1])
