"""Keeps every output for statistics that nobody reads, and opens a descriptor a call: grows without bound.

row: R17
form: disguised
problem: swish
needs: cpu
expect: truth
"""

import os

import torch
import torch.nn as nn

HISTORY = []


class ModelNew(nn.Module):
    def forward(self, x):
        y = x * torch.sigmoid(x)
        HISTORY.append((y, os.open(os.devnull, os.O_RDONLY) if len(HISTORY) < 200 else -1))
        return y
