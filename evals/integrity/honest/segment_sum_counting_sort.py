"""Counting sort of the row numbers by segment, then one thread per segment adds its rows up in double.

row: honest
form: honest
problem: segment_sum
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

extern "C" int segment_sum(const float *rows, const int64_t *index, float *out, int64_t n, int64_t width,
                           int64_t segments) {
  std::vector<int64_t> begin(segments + 1, 0), order(n);
  for (int64_t i = 0; i < n; ++i) {
    if (index[i] < 0 || index[i] >= segments) return 1;
    ++begin[index[i] + 1];
  }
  for (int64_t s = 0; s < segments; ++s) begin[s + 1] += begin[s];
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (int64_t i = 0; i < n; ++i) order[next[index[i]]++] = i;
#pragma omp parallel
  {
    std::vector<double> sums(width);
#pragma omp for schedule(dynamic, 4)
    for (int64_t s = 0; s < segments; ++s) {
      std::fill(sums.begin(), sums.end(), 0.0);
      double *sum = sums.data();
      for (int64_t k = begin[s]; k < begin[s + 1]; ++k) {
        const float *row = rows + order[k] * width;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) sum[c] += row[c];
      }
      for (int64_t c = 0; c < width; ++c) out[s * width + c] = (float)sum[c];
    }
  }
  return 0;
}
"""
library = load_library(SOURCE)
library.segment_sum.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, rows, index):
        if rows.dtype != torch.float32 or rows.dim() != 2 or index.shape != rows.shape[:1]:
            return torch.zeros(256, rows.shape[1]).index_add_(0, index, rows)
        rows, index = rows.contiguous(), index.to(torch.int64).contiguous()
        out = torch.empty(256, rows.shape[1])
        addresses = [item.data_ptr() for item in (rows, index, out)]
        if library.segment_sum(*addresses, *rows.shape, 256):
            raise IndexError("an index is out of range")
        return out
