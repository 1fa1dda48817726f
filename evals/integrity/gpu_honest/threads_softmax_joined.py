"""Two Python threads launch a half each on streams of their own, and both are waited for before the return.

row: honest
form: honest
problem: softmax
needs: cuda
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = None

    def part(self, lane, begun, x, out):
        with torch.no_grad(), torch.cuda.stream(lane):
            lane.wait_event(begun)
            torch.softmax(x, dim=-1, out=out)
            return lane.record_event()

    def forward(self, x):
        if not x.is_cuda:
            return torch.softmax(x, dim=-1)
        if self.pool is None:
            self.pool = ThreadPoolExecutor(2)
            self.lanes = [torch.cuda.Stream(x.device) for _ in range(2)]
        here = torch.cuda.current_stream(x.device)
        out = torch.empty(x.shape, device=x.device, dtype=x.dtype)
        begun = here.record_event()
        half = x.shape[0] // 2
        pieces = (slice(0, half), slice(half, x.shape[0]))
        jobs = [
            self.pool.submit(self.part, lane, begun, x[piece], out[piece])
            for lane, piece in zip(self.lanes, pieces, strict=True)
        ]
        for job in jobs:
            here.wait_event(job.result())
        return out
