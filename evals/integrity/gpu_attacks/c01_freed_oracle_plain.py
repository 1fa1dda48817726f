"""Returns torch.empty unwritten: the allocator may hand over the block in which a freed reference output still lies.

row: C1
form: plain
problem: softmax
needs: cuda
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.empty_like(x)
