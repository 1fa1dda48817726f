"""RMS normalisation of activations, followed by a gate: three passes over memory in eager PyTorch."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        scale = torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps)
        return x * scale * self.weight * torch.sigmoid(gate)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(1024, 2048), torch.randn(1024, 2048)]


def get_init_inputs() -> list[object]:
    return [2048, 1e-6]
