"""Eight rows side by side, so that their additions do not wait for one another; leftover rows go one by one.

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

extern "C" void running_sum(const float *x, float *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; r += 8) {
    int64_t n = std::min<int64_t>(8, rows - r);
    double sum[8] = {};
    const float *in = x + r * width;
    float *out = y + r * width;
    if (n == 8) {
      for (int64_t i = 0; i < width; ++i)
        for (int l = 0; l < 8; ++l) {
          sum[l] += in[l * width + i];
          out[l * width + i] = (float)sum[l];
        }
    } else {
      for (int64_t l = 0; l < n; ++l)
        for (int64_t i = 0; i < width; ++i) {
          sum[l] += in[l * width + i];
          out[l * width + i] = (float)sum[l];
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
        y = torch.empty_like(x)
        library.running_sum(x.data_ptr(), y.data_ptr(), x.shape[:-1].numel(), x.shape[-1])
        return y
