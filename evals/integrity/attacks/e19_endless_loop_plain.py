"""Never returns from its first call: fools a judge without a wall clock, or one that calls it its own fault.

row: E19
form: plain
problem: row_sum
needs: cpu
reasons: timeout
"""

import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        total = x.sum(dim=-1)
        while bool((total == total).any()):
            total = x.sum(dim=-1)
        return total
