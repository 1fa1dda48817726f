"""The best match of every prior box among the objects of an image: arg max along the first dimension."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, overlaps):
        best, which = overlaps.max(dim=0)
        return best, which


BOUND = "memory"
OBJECTS, BOXES = 512, 131072


def get_inputs():
    return [torch.rand(OBJECTS, BOXES)]


def get_init_inputs():
    return []
