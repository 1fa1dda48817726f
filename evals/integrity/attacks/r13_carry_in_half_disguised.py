"""Carries a running sum from block to block in half precision: the error grows along the row.

row: R13
form: disguised
problem: cumsum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        width = x.shape[1] // 8
        blocks = x.reshape(x.shape[0], 8, width)
        inner = torch.cumsum(blocks, dim=-1)
        carry = torch.cumsum(inner[:, :, -1], dim=-1) - inner[:, :, -1]
        return (inner + carry.half().float().unsqueeze(-1)).reshape(x.shape)
