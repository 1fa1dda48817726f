"""Transposes 16 x 16 tiles through a local array before adding them; anything but a transposed operand goes to torch.

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

// c = transpose(at) + b; at is [width x lda], b and c are [rows x width]
extern "C" void add(const float *at, const float *b, float *c, int64_t rows, int64_t width, int64_t lda) {
  const int64_t side = 16;
#pragma omp parallel for schedule(static)
  for (int64_t r0 = 0; r0 < rows; r0 += side)
    for (int64_t i0 = 0; i0 < width; i0 += side) {
      float tile[side][side];
      int64_t m = std::min(side, rows - r0), n = std::min(side, width - i0);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t r = 0; r < m; ++r) tile[r][i] = at[(i0 + i) * lda + r0 + r];
      for (int64_t r = 0; r < m; ++r) {
        int64_t line = (r0 + r) * width + i0;
        for (int64_t i = 0; i < n; ++i) c[line + i] = tile[r][i] + b[line + i];
      }
    }
}
"""
library = load_library(SOURCE)
library.add.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, a, b):
        fits = a.dtype == b.dtype == torch.float32 and a.dim() == 2 and a.shape == b.shape
        if not fits or a.stride(0) != 1 or a.stride(1) < 1:
            return a + b
        b = b.contiguous()
        c = torch.empty(a.shape)
        library.add(a.data_ptr(), b.data_ptr(), c.data_ptr(), *a.shape, a.stride(1))
        return c
