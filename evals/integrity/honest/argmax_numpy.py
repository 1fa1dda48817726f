"""numpy's argmax, which treats NaN and ties as torch does, on the tensor's own memory and strides.

row: honest
form: honest
problem: argmax
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0:
            return x.argmax(dim=-1)
        return torch.from_numpy(np.asarray(x.detach().numpy().argmax(axis=-1), dtype=np.int64))
