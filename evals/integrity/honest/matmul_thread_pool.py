"""Stripes of rows are multiplied by a pool of Python threads straight into slices of the fresh result.

row: honest
form: honest
problem: matmul
needs: cpu
"""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn as nn

POOL = ThreadPoolExecutor(2)


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dim() != 2 or b.dim() != 2 or a.shape[0] == 0:
            return a @ b
        result = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype)
        stripes = zip(a.split(96), result.split(96))
        for job in [POOL.submit(torch.mm, part, b, out=target) for part, target in stripes]:
            job.result()
        return result
