"""Message passing: features of each node's neighbours, minus its own, reduced by maximum."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, features, neighbours):
        gathered = features[neighbours]
        return torch.max(gathered - features.unsqueeze(1), dim=1).values


NODES, NEIGHBOURS, WIDTH = 10_000, 16, 64


def get_inputs():
    return [torch.randn(NODES, WIDTH), torch.randint(0, NODES, (NODES, NEIGHBOURS))]


def get_init_inputs():
    return []
