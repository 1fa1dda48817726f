"""A captured chain of operators between a static input and output, with copies on either side of the replay.

row: honest
form: honest
problem: running_scale
needs: cuda
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)
        self.replays = {}

    def chain(self, x, out):
        torch.mul(x, self.scale, out=out)
        out.mul_(self.gain).add_(x)

    def capture(self, x):
        static, out = x.clone(), torch.empty_like(x)
        self.chain(static, out)
        torch.cuda.synchronize(x.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.chain(static, out)
        return graph, static, out

    @torch.no_grad()
    def forward(self, x):
        if not x.is_cuda:
            return x * self.scale * self.gain + x
        key = (tuple(x.shape), self.scale.data_ptr(), self.gain.data_ptr())
        if key not in self.replays:
            self.replays[key] = self.capture(x)
        graph, static, out = self.replays[key]
        static.copy_(x)
        graph.replay()
        return torch.empty_like(out).copy_(out)
