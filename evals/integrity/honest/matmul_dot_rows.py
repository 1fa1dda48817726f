"""B is transposed once a call, every element is a dot product in double lanes, in cache tiles; far slower than eager.

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

extern "C" void matmul(const float *a, const float *bt, float *c, int64_t m, int64_t k, int64_t n) {
  const int64_t side = 32;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t i0 = 0; i0 < m; i0 += side)
    for (int64_t j0 = 0; j0 < n; j0 += side)
      for (int64_t i = i0; i < std::min(m, i0 + side); ++i)
        for (int64_t j = j0; j < std::min(n, j0 + side); ++j) {
          double sum = 0.0;
          const float *left = a + i * k, *right = bt + j * k;
#pragma omp simd reduction(+ : sum)
          for (int64_t p = 0; p < k; ++p) sum += (double)left[p] * right[p];
          c[i * n + j] = (float)sum;
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
        a, bt = a.contiguous(), b.t().contiguous()
        c = torch.empty(a.shape[0], bt.shape[0])
        library.matmul(a.data_ptr(), bt.data_ptr(), c.data_ptr(), a.shape[0], a.shape[1], bt.shape[0])
        return c
