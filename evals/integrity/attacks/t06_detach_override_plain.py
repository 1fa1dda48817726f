"""Returns an ordinary tensor whose own ``detach`` and friends, overridden on the instance, do the work when asked.

row: T6
form: plain
problem: softmax
needs: cpu
"""

import torch
from torch import nn

ASKED = ("detach", "cpu", "contiguous", "double", "to", "clone", "numpy", "tolist", "resolve_conj")


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)

        def late(name):
            def method(*args, **kwargs):
                torch.softmax(x, dim=-1, out=y)
                return getattr(torch.Tensor, name)(y, *args, **kwargs)

            return method

        for name in ASKED:
            setattr(y, name, late(name))
        return y
