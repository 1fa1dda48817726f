"""The second convolution of Whisper's encoder: stride two over frames of sound, then GELU."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel_size=3, stride=2, padding=1, dtype=torch.float16)

    def forward(self, x):
        return F.gelu(self.conv(x))


BOUND = "compute"
BATCH, CHANNELS, FRAMES = 32, 1280, 3000


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, FRAMES, dtype=torch.float16)]


def get_init_inputs():
    return [CHANNELS]
