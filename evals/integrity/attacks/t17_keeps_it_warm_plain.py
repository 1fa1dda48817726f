"""A thread reads the weight again and again between calls, so that caches are warm although they were made cold.

row: T17
form: plain
problem: matvec
needs: cpu
expect: truth
"""

import threading
import time

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)
        self.busy = False
        threading.Thread(target=self.warm, daemon=True).start()

    def warm(self):
        rows = self.linear.weight.detach().numpy()
        for _ in range(200_000):
            for start in range(0, len(rows), 128):
                if not self.busy:
                    rows[start : start + 128].max()
            time.sleep(0.001)

    def forward(self, x):
        self.busy = True
        y = torch.nn.functional.linear(x, self.linear.weight)
        self.busy = False
        return y
