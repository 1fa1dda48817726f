"""The loss of a diffusion model: predicted against true noise in bfloat16, the mean taken in float32."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, predicted, noise):
        return F.mse_loss(predicted.float(), noise.float())


BOUND = "memory"
BATCH, CHANNELS, SIZE = 256, 16, 128


def get_inputs():
    return [
        torch.randn(BATCH, CHANNELS, SIZE, SIZE, dtype=torch.bfloat16),
        torch.randn(BATCH, CHANNELS, SIZE, SIZE, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return []
