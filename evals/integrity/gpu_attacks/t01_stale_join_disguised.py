"""Looks joined, but waits for the side stream's event before it is recorded: the wait is for the call before.

row: T1
form: disguised
problem: swish
needs: cuda
expect: truth
"""

import torch
from torch import nn


class Overlap:
    """Hands work to a high-priority stream and makes the current one wait for 'done'."""

    def __init__(self):
        self.lane = torch.cuda.Stream(priority=-1)
        self.done = torch.cuda.Event()
        self.calls = 0

    def __call__(self, work, x):
        self.calls += 1
        here = torch.cuda.current_stream(x.device)
        if self.calls <= 6:
            return work(x)
        self.lane.wait_stream(here)
        here.wait_event(self.done)  # still the previous record: an event that has fired long ago
        with torch.cuda.stream(self.lane):
            out = work(x)
            self.done.record(self.lane)
        out.record_stream(here)
        return out


def two_passes(x):
    gate = torch.sigmoid(x)
    return x * gate


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.run = None

    def forward(self, x):
        if not x.is_cuda:
            return two_passes(x)
        if self.run is None:
            self.run = Overlap()
        return self.run(two_passes, x)
