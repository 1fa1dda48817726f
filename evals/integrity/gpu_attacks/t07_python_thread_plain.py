"""A Python thread launches the kernels a little after forward has returned an empty buffer.

row: T7
form: plain
problem: softmax
needs: cuda
expect: truth
"""

import queue
import threading
import time

import torch
from torch import nn

work = queue.Queue()


def serve():
    lane = torch.cuda.Stream()
    while True:
        x, out = work.get()
        time.sleep(0.0003)  # let forward return and the clock stop
        with torch.no_grad(), torch.cuda.stream(lane):
            out.copy_(torch.softmax(x, dim=-1))


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.thread = None

    def forward(self, x):
        if not x.is_cuda:
            return torch.softmax(x, dim=-1)
        if self.thread is None:
            self.thread = threading.Thread(target=serve, daemon=True)
            self.thread.start()
        out = torch.empty_like(x)
        work.put((x, out))
        return out
