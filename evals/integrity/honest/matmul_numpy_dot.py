"""numpy's matrix product, through whatever BLAS numpy was built with.

row: honest
form: honest
problem: matmul
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dim() != 2 or b.dim() != 2 or a.dtype != b.dtype:
            return a @ b
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.matmul(a.detach().numpy(), b.detach().numpy()))
