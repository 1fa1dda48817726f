"""The upper half of a product on one stream, the lower half on another, joined before the return.

row: honest
form: honest
problem: matmul
needs: cuda
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.lane = None

    def forward(self, a, b):
        if not a.is_cuda or a.shape[0] < 2:
            return a @ b
        if self.lane is None:
            self.lane = torch.cuda.Stream(a.device)
        here = torch.cuda.current_stream(a.device)
        out = torch.empty(a.shape[0], b.shape[1], device=a.device, dtype=a.dtype)
        half = a.shape[0] // 2
        self.lane.wait_stream(here)
        with torch.cuda.stream(self.lane):
            torch.mm(a[half:], b, out=out[half:])
        torch.mm(a[:half], b, out=out[:half])
        here.wait_stream(self.lane)
        return out
