"""Blocks of 16384 elements go through two small reused buffers, so that only the input and the bytes travel to memory.

row: honest
form: honest
problem: quantize
needs: cpu
"""

import torch
import torch.nn as nn

BLOCK = 16384


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.scratch = torch.empty(BLOCK)

    def forward(self, x):
        if x.dtype != torch.float32:
            return torch.clamp(torch.round(x * 32.0), -128, 127).to(torch.int8)
        flat = x.reshape(-1)
        result = torch.empty(x.shape, dtype=torch.int8)
        target = result.view(-1)
        for start in range(0, flat.numel(), BLOCK):
            part = flat[start : start + BLOCK]
            work = self.scratch[: part.numel()]
            torch.mul(part, 32.0, out=work)
            work.round_().clamp_(-128, 127)
            target[start : start + BLOCK].copy_(work)
        return result
