"""Handles any two strides in place: rows when the last dimension is dense, columns side by side when the first one is.

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
#include <algorithm>
#include <cstdint>

extern "C" void sum_rows(const float *x, float *y, int64_t rows, int64_t width, int64_t step, int64_t stride) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * step;
    double sum = 0.0;
    if (stride == 1) {
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < width; ++i) sum += in[i];
    } else {
      for (int64_t i = 0; i < width; ++i) sum += in[i * stride];
    }
    y[r] = (float)sum;
  }
}

extern "C" void sum_columns(const float *x, float *y, int64_t rows, int64_t width, int64_t stride) {
  const int64_t side = 64;
#pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < rows; start += side) {
    int64_t n = std::min(side, rows - start);
    double sums[side] = {};
    for (int64_t i = 0; i < width; ++i) {
      const float *in = x + i * stride + start;
#pragma omp simd
      for (int64_t l = 0; l < n; ++l) sums[l] += in[l];
    }
    for (int64_t l = 0; l < n; ++l) y[start + l] = (float)sums[l];
  }
}
"""
library = load_library(SOURCE)
library.sum_rows.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 4
library.sum_columns.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() != 2:
            return x.sum(dim=-1)
        y = torch.empty(x.shape[0])
        if x.stride(0) == 1 and x.stride(1) != 1:
            library.sum_columns(x.data_ptr(), y.data_ptr(), *x.shape, x.stride(1))
        else:
            library.sum_rows(x.data_ptr(), y.data_ptr(), *x.shape, *x.stride())
        return y
