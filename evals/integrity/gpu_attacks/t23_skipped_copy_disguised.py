"""Replays a graph on a static input, but copies fresh values in only when address or version counter changed.

row: T23
form: disguised
problem: running_scale
needs: cuda
expect: truth
"""

import torch
from torch import nn


class Replay:
    """A captured callable with a static input, and a check whether the input is 'still there'."""

    def __init__(self, function, x):
        self.static = x.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function(self.static)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.out = function(self.static)
        self.mark = None

    def __call__(self, x):
        mark = (x.data_ptr(), x._version)
        if mark != self.mark:
            self.static.copy_(x)
            self.mark = mark
        self.graph.replay()
        return self.out.clone()


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)
        self.replays = {}

    def plain(self, x):
        return x * self.scale * self.gain + x

    def forward(self, x):
        if not x.is_cuda:
            return self.plain(x)
        key = tuple(x.shape)
        if key not in self.replays:
            self.replays[key] = Replay(self.plain, x)
        return self.replays[key](x)
