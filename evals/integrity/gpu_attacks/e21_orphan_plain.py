"""Leaves a process behind, in a session of its own, that holds a gigabyte of the GPU for half a minute.

row: E21
form: plain
problem: cumsum
needs: cuda
expect: truth
"""

import contextlib
import subprocess
import sys

import torch
from torch import nn

ORPHAN = """
import signal, time, torch
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
held.fill_(1)
time.sleep(30)
"""


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.orphan = None

    def forward(self, x):
        if x.is_cuda and self.orphan is None:
            with contextlib.suppress(OSError):
                quiet = subprocess.DEVNULL
                command = [sys.executable, "-c", ORPHAN]
                self.orphan = subprocess.Popen(command, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
        return torch.cumsum(x, dim=-1)
