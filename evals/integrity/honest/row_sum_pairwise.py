"""Pairwise summation in C++: halves recursively down to blocks of 128, which are added in 16 lanes.

row: honest
form: honest
problem: row_sum
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
#include <cstdint>

static float pairwise(const float *x, int64_t n) {
  if (n > 128) {
    int64_t half = n / 2 / 16 * 16;
    return pairwise(x, half) + pairwise(x + half, n - half);
  }
  float lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma omp simd
    for (int l = 0; l < 16; ++l) lane[l] += x[i + l];
  }
  for (int step = 8; step; step /= 2)
    for (int l = 0; l < step; ++l) lane[l] += lane[l + step];
  float sum = lane[0];
  for (; i < n; ++i) sum += x[i];
  return sum;
}

extern "C" void row_sum(const float *x, float *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) y[r] = pairwise(x + r * width, width);
}
"""
library = load_library(SOURCE)
library.row_sum.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0:
            return x.sum(dim=-1)
        x = x.contiguous()
        y = torch.empty(x.shape[:-1])
        library.row_sum(x.data_ptr(), y.data_ptr(), y.numel(), x.shape[-1])
        return y
