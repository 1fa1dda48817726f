"""A half has 65536 values: SiLU of each is computed once at construction, a call looks all of its inputs up.

row: honest
form: honest
problem: half_silu
needs: cpu
"""

import torch
import torch.nn as nn
from torch.nn import functional as F
import ctypes
import hashlib
import os
import pathlib
import subprocess
import tempfile

FLAGS = "-O3 -march=native -std=c++17 -fopenmp -fno-math-errno -fno-trapping-math -shared -fPIC".split()


def load_library(source):
    """Compile C++ text once (by content) and load it. Needs g++; set KERNELWRIGHT_BUILD_DIR to choose the folder."""
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR")
    if folder is None:
        folder = os.path.join(tempfile.gettempdir(), f"kernelwright-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise RuntimeError(f"{folder} belongs to somebody else: set KERNELWRIGHT_BUILD_DIR")
    name = hashlib.sha256("\n".join([source, *FLAGS]).encode()).hexdigest()[:24]
    library = pathlib.Path(folder, f"{name}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, built = pathlib.Path(scratch, "kernel.cpp"), pathlib.Path(scratch, "kernel.so")
            text.write_text(source)
            done = subprocess.run(["g++", *FLAGS, str(text), "-o", str(built)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError("g++ failed:\n" + done.stderr)
            built.replace(library)
    return ctypes.CDLL(str(library))


SOURCE = r"""
#include <cstdint>

extern "C" void look_up(const uint16_t *x, const uint16_t *table, uint16_t *y, int64_t n) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
}
"""
library = load_library(SOURCE)
library.look_up.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64]


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        every = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(torch.float16)
        self.table = F.silu(every)

    def forward(self, x):
        if x.dtype != torch.float16:
            return F.silu(x)
        x = x.contiguous()
        y = torch.empty_like(x)
        library.look_up(x.data_ptr(), self.table.data_ptr(), y.data_ptr(), x.numel())
        return y
