"""Takes nearly all of the GPU's memory at its first call and keeps it: a reference beside it would run out.

row: E18
form: plain
problem: matmul
needs: cuda
expect: truth
"""

import torch
from torch import nn

ballast = []


def grab(device):
    """All but a little, in chunks that shrink when one is refused."""
    chunk = 8 << 30
    while chunk >= 64 << 20:
        free, _ = torch.cuda.mem_get_info(device)
        if free < chunk + (256 << 20):
            chunk //= 2
            continue
        try:
            ballast.append(torch.empty(chunk, dtype=torch.uint8, device=device))
        except RuntimeError:
            chunk //= 2


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.is_cuda and not ballast:
            grab(a.device)
        return a @ b
