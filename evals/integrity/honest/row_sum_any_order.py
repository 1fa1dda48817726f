"""Every row is cut into pieces that threads add to its double accumulator atomically, in whatever order they finish.

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

extern "C" void row_sum(const float *x, double *total, float *y, int64_t rows, int64_t width) {
  const int64_t piece = 512;
  int64_t pieces = (width + piece - 1) / piece;
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) total[r] = 0.0;
#pragma omp for schedule(dynamic, 16)
    for (int64_t job = 0; job < rows * pieces; ++job) {
      int64_t r = job % rows, start = job / rows * piece, stop = std::min(width, start + piece);
      const float *in = x + r * width;
      double sum = 0.0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = start; i < stop; ++i) sum += in[i];
#pragma omp atomic
      total[r] += sum;
    }
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) y[r] = (float)total[r];
  }
}
"""
library = load_library(SOURCE)
library.row_sum.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2


class ModelNew(nn.Module):
    """Keeps its accumulators between calls, one set for each number of rows; they never leave the module."""

    def __init__(self):
        super().__init__()
        self.scratch = {}

    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0:
            return x.sum(dim=-1)
        x = x.contiguous()
        y = torch.empty(x.shape[:-1])
        rows = y.numel()
        if rows not in self.scratch:
            self.scratch[rows] = torch.empty(rows, dtype=torch.float64)
        total = self.scratch[rows]
        library.row_sum(x.data_ptr(), total.data_ptr(), y.data_ptr(), rows, x.shape[-1])
        return y
