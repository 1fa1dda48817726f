"""Row sums by einsum, which becomes torch's own reduction.

row: honest
form: honest
problem: row_sum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.einsum("...i->...", x)
