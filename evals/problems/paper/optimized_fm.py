"""WuKong's optimised factorisation machine, X (X^T Y), at three shapes of a deployed model (KernelEvolve, 5.3.1).

Stated: the reference is two torch.bmm with X of B x N x D and Y of B x N x K; (B, N, D, K) are the three cases below.
Figure 14 (H100): 3.6-3.9x over torch.compile at N = 24, 2.2-2.3x at N = 40 and 48 for large B (up to 3.0x for small),
about 1x for N from 96 on. Figure 4: 4.0x. No table, so no milliseconds were published.

Assumed: float16, which the paper says of its neighbours but not of this one; standard normal inputs.
"""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x, y):
        return torch.bmm(x, torch.bmm(x.transpose(1, 2), y))


BOUND = "memory"
SHAPES = {"n24": (1024, 24, 224, 2198), "n40": (1024, 40, 224, 448), "n48": (1024, 48, 224, 448)}


def draw(batch, features, width, outputs):
    return [
        torch.randn(batch, features, width, dtype=torch.float16),
        torch.randn(batch, features, outputs, dtype=torch.float16),
    ]


def get_cases():
    return {name: draw(*shape) for name, shape in SHAPES.items()}


def get_inputs():
    return draw(*SHAPES["n24"])


def get_init_inputs():
    return []
