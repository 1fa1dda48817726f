"""No kernel of its own: torch has one operator for what the reference writes as two.

row: honest
form: honest
problem: swish
needs: cuda
"""

from torch import nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        return F.silu(x)
