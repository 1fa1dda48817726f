"""A scan in two levels: double sums of blocks of 128, a scan of those, then every block from its own start.

row: honest
form: honest
problem: cumsum
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
#include <vector>

extern "C" void running_sum(const float *x, float *y, int64_t rows, int64_t width) {
  const int64_t side = 128;
  int64_t blocks = (width + side - 1) / side;
  std::vector<double> start(rows * blocks);
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < blocks; ++k) {
        double sum = 0.0;
        int64_t stop = std::min(width, (k + 1) * side);
#pragma omp simd reduction(+ : sum)
        for (int64_t i = k * side; i < stop; ++i) sum += x[r * width + i];
        start[r * blocks + k] = sum;
      }
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      for (int64_t k = 0; k < blocks; ++k) {
        double own = start[r * blocks + k];
        start[r * blocks + k] = sum;
        sum += own;
      }
    }
#pragma omp for collapse(2) schedule(static)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < blocks; ++k) {
        double sum = start[r * blocks + k];
        int64_t stop = std::min(width, (k + 1) * side);
        for (int64_t i = k * side; i < stop; ++i) {
          sum += x[r * width + i];
          y[r * width + i] = (float)sum;
        }
      }
  }
}
"""
library = load_library(SOURCE)
library.running_sum.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0:
            return torch.cumsum(x, dim=-1)
        x = x.contiguous()
        y = torch.empty(x.shape)
        library.running_sum(x.data_ptr(), y.data_ptr(), x.shape[:-1].numel(), x.shape[-1])
        return y
