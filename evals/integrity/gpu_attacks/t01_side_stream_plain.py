"""Launches on a side stream and returns without joining it: events on the current stream see no work at all.

row: T1
form: plain
problem: matmul
needs: cuda
expect: truth
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.side = torch.cuda.Stream() if torch.cuda.is_available() else None

    def forward(self, a, b):
        if not a.is_cuda:
            return a @ b
        with torch.cuda.stream(self.side):
            for _ in range(8):  # eight times the work of eager, none of it on the stream that is watched
                out = a @ b
        return out
