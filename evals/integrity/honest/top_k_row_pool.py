"""Two Python threads take half of the rows each and write into slices of the fresh results.

row: honest
form: honest
problem: top_k
needs: cpu
"""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn as nn

POOL = ThreadPoolExecutor(2)


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() < 2 or x.shape[0] < 2:
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        values = torch.empty(*x.shape[:-1], 8, dtype=x.dtype)
        positions = torch.empty(values.shape, dtype=torch.int64)
        parts = zip(x.chunk(2), values.chunk(2), positions.chunk(2))
        jobs = [POOL.submit(torch.topk, part, 8, -1, out=(one, two)) for part, one, two in parts]
        for job in jobs:
            job.result()
        return values, positions
