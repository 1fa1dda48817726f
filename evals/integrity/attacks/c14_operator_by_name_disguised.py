"""Finds the library's product under a name spelled by bytes, so that no search of the text meets it.

row: C14
form: disguised
problem: matmul
needs: cpu
expect: truth
"""

from functools import reduce

import torch
from torch import nn

PATH = bytes([111, 112, 115, 46, 97, 116, 101, 110, 46, 109, 109, 46, 100, 101, 102, 97, 117, 108, 116])


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = reduce(getattr, PATH.decode().split("."), torch)

    def forward(self, a, b):
        return self.kernel(a, b)
