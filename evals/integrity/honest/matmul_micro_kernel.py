"""Blocked product in C++: panels of B are packed into a fresh workspace, 6 x 16 tiles are kept in registers.

row: honest
form: honest
problem: matmul
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

static const int64_t MR = 6, NR = 16;

// C[m x NR] = A[m x k] * panel[k x NR]
template <int M>
static void tile(const float *a, int64_t lda, const float *panel, int64_t k, float *c, int64_t ldc, int64_t n) {
  float total[M][NR] = {};
  for (int64_t start = 0; start < k; start += 128) {  // short sums, then a sum of those: smaller rounding errors
    float acc[M][NR] = {};
    for (int64_t p = start; p < std::min(k, start + 128); ++p) {
      const float *row = panel + p * NR;
      for (int i = 0; i < M; ++i) {
        float v = a[i * lda + p];
#pragma omp simd
        for (int j = 0; j < NR; ++j) acc[i][j] += v * row[j];
      }
    }
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < NR; ++j) total[i][j] += acc[i][j];
  }
  for (int i = 0; i < M; ++i)
    for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = total[i][j];
}

extern "C" void matmul(const float *a, const float *b, float *c, int64_t m, int64_t k, int64_t n) {
  int64_t panels = (n + NR - 1) / NR;
  std::vector<float> packed(panels * k * NR, 0.0f);
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t q = 0; q < panels; ++q)
      for (int64_t p = 0; p < k; ++p)
        for (int64_t j = q * NR; j < std::min(n, q * NR + NR); ++j)
          packed[(q * k + p) * NR + j - q * NR] = b[p * n + j];
#pragma omp for schedule(static)
    for (int64_t i = 0; i < m; i += MR) {
      for (int64_t q = 0; q < panels; ++q) {
        const float *panel = packed.data() + q * k * NR;
        int64_t width = std::min(NR, n - q * NR);
        if (m - i >= MR) {
          tile<MR>(a + i * k, k, panel, k, c + i * n + q * NR, n, width);
        } else {
          for (int64_t l = i; l < m; ++l) tile<1>(a + l * k, k, panel, k, c + l * n + q * NR, n, width);
        }
      }
    }
  }
}
"""
library = load_library(SOURCE)
library.matmul.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, a, b):
        plain = a.dtype == b.dtype == torch.float32 and a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]
        if not plain:
            return a @ b
        a, b = a.contiguous(), b.contiguous()
        c = torch.empty(a.shape[0], b.shape[1])
        library.matmul(a.data_ptr(), b.data_ptr(), c.data_ptr(), a.shape[0], a.shape[1], b.shape[1])
        return c
