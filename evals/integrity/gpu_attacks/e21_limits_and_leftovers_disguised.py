"""Changes limits of the device, leaves files in shared memory and a twice-forked burner that outlives it by 30 s.

row: E21
form: disguised
problem: softmax
needs: cuda
expect: truth
"""

import contextlib
import ctypes
import os
import pathlib
import sys

import torch
from torch import nn

BURN = (
    "import time, torch; a = torch.randn(4096, 4096, device='cuda'); end = time.time() + 30\n"
    "while time.time() < end: a @ a; torch.cuda.synchronize()"
)


def leave():
    """Persisting L2 and printf buffer as large as they go, a file of 64 MiB, and a daemon."""
    with contextlib.suppress(OSError, AttributeError):
        driver = ctypes.CDLL("libcuda.so.1")
        for limit, size in ((6, 32 << 20), (1, 256 << 20), (2, 1 << 30)):
            driver.cuCtxSetLimit(limit, ctypes.c_size_t(size))
    with contextlib.suppress(OSError):
        pathlib.Path("/dev/shm", "left-by-a-candidate").write_bytes(bytes(64 << 20))
    with contextlib.suppress(OSError):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        try:
            os.setsid()
            if os.fork() == 0:
                for descriptor in range(256):
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
                os.execv(sys.executable, [sys.executable, "-c", BURN])
        finally:
            os._exit(0)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls == 3 and x.is_cuda:
            leave()
        return torch.softmax(x, dim=-1)
