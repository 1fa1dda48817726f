"""numpy: float32 arithmetic between two conversions, in row blocks that stay in the cache.

row: honest
form: honest
problem: half_silu
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float16 or x.dim() == 0:
            return F.silu(x)
        values = x.detach().numpy()
        result = np.empty(values.shape, dtype=np.float16)
        with np.errstate(all="ignore"):
            for start in range(0, len(values), 64):
                wide = values[start : start + 64].astype(np.float32)
                result[start : start + 64] = wide / (np.float32(1.0) + np.exp(-wide))
        return torch.from_numpy(result)
