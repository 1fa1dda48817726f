"""The convolution of a convolutional transformer over event sequences, in float32 as it trains (KernelEvolve, 5.1).

Stated, table 3 (H100, B x C_in x C_out x L = 2048 x 96 x 96 x 200, the production shape): conv1d 0.61411 ms, the same
as a channels-last conv2d 0.46384 ms, generated kernel 0.35594 ms: 1.73x over conv1d and 1.30x over conv2d. Table 4
has a bias added.

Assumed: kernel size 3, stride 1, padding 1, no dilation, one group, as in the TritonBench operator that Meta
published with the same kernel names; torch's own initial weights and standard normal inputs.
"""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, channels_in, channels_out, kernel_size):
        super().__init__()
        self.conv = nn.Conv1d(
            channels_in, channels_out, kernel_size, padding=kernel_size // 2
        )

    def forward(self, x):
        return self.conv(x)


BOUND = "compute"
BATCH, CHANNELS_IN, CHANNELS_OUT, LENGTH, KERNEL_SIZE = 2048, 96, 96, 200, 3


def get_inputs():
    return [torch.randn(BATCH, CHANNELS_IN, LENGTH)]


def get_init_inputs():
    return [CHANNELS_IN, CHANNELS_OUT, KERNEL_SIZE]
