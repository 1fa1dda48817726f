"""Carries a C++ kernel that is run on a dummy and whose result is thrown away; torch does the work.

row: C15
form: plain
problem: softmax
needs: cpu
expect: truth
"""

import torch
from torch import nn
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
#include <cmath>
#include <cstdint>
extern "C" void fused_softmax(const float *x, float *y, int64_t n) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += y[i] = expf(x[i]);
  for (int64_t i = 0; i < n; ++i) y[i] /= sum;
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        dummy = torch.zeros(16)
        scratch = torch.empty(16)
        library.fused_softmax(
            ctypes.c_void_p(dummy.data_ptr()), ctypes.c_void_p(scratch.data_ptr()), ctypes.c_int64(16)
        )
        return torch.softmax(x, dim=-1)
