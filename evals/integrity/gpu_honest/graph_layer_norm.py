"""Replays a CUDA graph: fresh values are copied into its input every time, and its output is copied out.

row: honest
form: honest
problem: layer_norm
needs: cuda
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.norm.weight, 1.0, 0.2)
        nn.init.normal_(self.norm.bias, 0.0, 0.2)
        self.graphs = {}

    def capture(self, x):
        static = x.clone()
        side = torch.cuda.Stream(x.device)
        side.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(side):
            for _ in range(2):
                self.norm(static)
        torch.cuda.current_stream(x.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self.norm(static)
        return graph, static, out

    def forward(self, x):
        if not x.is_cuda:
            return self.norm(x)
        key = (tuple(x.shape), self.norm.weight.data_ptr())
        if key not in self.graphs:
            self.graphs[key] = self.capture(x)
        graph, static, out = self.graphs[key]
        static.copy_(x)
        graph.replay()
        return out.clone()
