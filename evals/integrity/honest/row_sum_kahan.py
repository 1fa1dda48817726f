"""Compensated (Kahan) sums in eight float lanes; where the result is not finite a plain double sum says what it is.

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
#include <cmath>
#include <cstdint>

extern "C" void row_sum(const float *x, float *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    float sum[8] = {}, lost[8] = {};
    int64_t i = 0;
    for (; i + 8 <= width; i += 8) {
#pragma omp simd
      for (int l = 0; l < 8; ++l) {
        float term = in[i + l] - lost[l];
        float next = sum[l] + term;
        lost[l] = (next - sum[l]) - term;
        sum[l] = next;
      }
    }
    double total = 0.0;
    for (int l = 0; l < 8; ++l) total += (double)sum[l] - (double)lost[l];
    for (; i < width; ++i) total += in[i];
    if (!std::isfinite(total)) {
      total = 0.0;
      for (int64_t j = 0; j < width; ++j) total += in[j];
    }
    y[r] = (float)total;
  }
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
