"""Reads the transposed operand in 32 x 32 tiles that fit the first cache; any two strides are right, only slower.

row: honest
form: honest
problem: transpose_add
needs: cpu
"""

import torch
import torch.nn as nn
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
#include <algorithm>
#include <cstdint>

extern "C" void add(const float *a, const float *b, float *c, int64_t rows, int64_t width, int64_t a0, int64_t a1,
                    int64_t b0, int64_t b1) {
  const int64_t side = 32;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t r0 = 0; r0 < rows; r0 += side)
    for (int64_t i0 = 0; i0 < width; i0 += side) {
      int64_t r1 = std::min(rows, r0 + side), i1 = std::min(width, i0 + side);
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t i = i0; i < i1; ++i) c[r * width + i] = a[r * a0 + i * a1] + b[r * b0 + i * b1];
    }
}
"""
library = load_library(SOURCE)
library.add.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 6


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.dtype != torch.float32 or b.dtype != torch.float32 or max(a.dim(), b.dim()) != 2:
            return a + b
        a, b = torch.broadcast_tensors(a, b)
        c = torch.empty(a.shape)
        library.add(a.data_ptr(), b.data_ptr(), c.data_ptr(), *a.shape, *a.stride(), *b.stride())
        return c
