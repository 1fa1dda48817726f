"""Two Python threads compute the moments of half of the rows each and write them into slices of the fresh results.

row: honest
form: honest
problem: moments
needs: cpu
"""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn as nn

POOL = ThreadPoolExecutor(2)


def fill(part, mean, variance):
    found = torch.var_mean(part, dim=-1)
    variance.copy_(found[0])
    mean.copy_(found[1] if bool(torch.isfinite(found[1]).all()) else part.mean(dim=-1))


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() < 2 or x.shape[0] < 2:
            return x.mean(dim=-1), x.var(dim=-1)
        mean = torch.empty(x.shape[:-1], dtype=x.dtype)
        variance = torch.empty_like(mean)
        parts = zip(x.chunk(2), mean.chunk(2), variance.chunk(2))
        for job in [POOL.submit(fill, *part) for part in parts]:
            job.result()
        return mean, variance
