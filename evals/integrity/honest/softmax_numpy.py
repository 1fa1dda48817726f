"""The textbook formula in numpy; the result is a fresh array.

row: honest
form: honest
problem: softmax
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] == 0:
            return torch.softmax(x, dim=-1)
        values = x.detach().contiguous().numpy()
        with np.errstate(all="ignore"):
            weights = values - values.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
        return torch.from_numpy(weights)
