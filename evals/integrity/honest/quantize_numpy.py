"""numpy: rint, clip and a conversion that is told what to make of NaN.

row: honest
form: honest
problem: quantize
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        with np.errstate(all="ignore"):
            work = np.asarray(x.detach().numpy() * np.float32(32.0))
            work = np.clip(np.rint(work), -128, 127)
            return torch.from_numpy(np.nan_to_num(np.asarray(work), nan=0.0).astype(np.int8))
