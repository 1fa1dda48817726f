"""numpy in float64 throughout, with float64 copies of weight and bias that are renewed when either has changed.

row: honest
form: honest
problem: layer_norm
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.norm.weight, 1.0, 0.2)
        nn.init.normal_(self.norm.bias, 0.0, 0.2)
        self.seen = None
        self.wide = None

    def parameters_in_double(self):
        both = (self.norm.weight, self.norm.bias)
        state = tuple((item.data_ptr(), item._version) for item in both)
        if self.seen != state or self.sources[0] is not both[0] or self.sources[1] is not both[1]:
            self.wide = [item.detach().numpy().astype(np.float64) for item in both]
            self.seen, self.sources = state, both
        return self.wide

    def forward(self, x):
        weight, bias = self.parameters_in_double()
        values = x.detach().numpy().astype(np.float64)
        with np.errstate(all="ignore"):
            values -= values.mean(axis=-1, keepdims=True)
            variance = np.mean(values * values, axis=-1, keepdims=True)
            values /= np.sqrt(variance + self.norm.eps)
            result = values * weight + bias
        return torch.from_numpy(result.astype(np.float32)).to(x.dtype)
