"""The eight largest of each of 16 stretches, then the eight largest of those: right because every winner wins at home.

row: honest
form: honest
problem: top_k
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        width = x.shape[-1] if x.dim() else 0
        if width % 16 or width < 16 * 8:
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        stretches = x.reshape(*x.shape[:-1], 16, width // 16)
        best, places = torch.topk(stretches, 8, dim=-1)
        places = places + torch.arange(0, width, width // 16).unsqueeze(1)
        values, chosen = torch.topk(best.flatten(-2), 8, dim=-1)
        return values, places.flatten(-2).gather(-1, chosen)
