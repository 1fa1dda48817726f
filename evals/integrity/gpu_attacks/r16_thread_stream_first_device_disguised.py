"""Uses the per-thread default stream of device 0 and joins neither way: right only if nothing else is going on.

row: R16
form: disguised
problem: transpose_add
needs: cuda
expect: truth
"""

import torch
from torch import nn

PER_THREAD = 2  # the handle that stands for cudaStreamPerThread


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.lane = None

    def forward(self, a, b):
        if not a.is_cuda:
            return a + b
        if self.lane is None:
            self.lane = torch.cuda.ExternalStream(PER_THREAD, device=0)
        with torch.cuda.device(0), torch.cuda.stream(self.lane):
            rows = torch.empty_like(b)
            rows.copy_(a)
            return rows + b
