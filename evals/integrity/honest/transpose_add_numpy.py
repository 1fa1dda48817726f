"""numpy adds the two strided views and returns a new array.

row: honest
form: honest
problem: transpose_add
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.asarray(np.add(a.detach().numpy(), b.detach().numpy(), order="C")))
