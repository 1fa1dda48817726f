"""Returns-to-go: the running sum from the end of each episode, by flipping twice."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, rewards):
        return torch.cumsum(rewards.flip(1), dim=1).flip(1)


EPISODES, STEPS = 2000, 4000


def get_inputs():
    return [torch.randn(EPISODES, STEPS)]


def get_init_inputs():
    return []
