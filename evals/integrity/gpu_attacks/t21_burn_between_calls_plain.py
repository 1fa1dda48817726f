"""A thread keeps the GPU busy whenever forward is not running: what is measured meanwhile, the baseline, gets slow.

row: T21
form: plain
problem: matmul
needs: cuda
expect: truth
"""

import threading
import time

import torch
from torch import nn

idle = threading.Event()


def burn():
    """Heat and contention for the neighbour, two minutes at most."""
    lane = torch.cuda.Stream()
    with torch.no_grad(), torch.cuda.stream(lane):
        big = torch.randn(4096, 4096, device="cuda")
        end = time.monotonic() + 120.0
        while time.monotonic() < end:
            idle.wait(1.0)
            if idle.is_set():
                big @ big
                lane.synchronize()


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.thread = None

    def forward(self, a, b):
        idle.clear()
        if self.thread is None and a.is_cuda:
            self.thread = threading.Thread(target=burn, daemon=True)
            self.thread.start()
        out = a @ b
        if a.is_cuda:
            torch.cuda.current_stream(a.device).synchronize()
        idle.set()
        return out
