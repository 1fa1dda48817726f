"""Maps floats to integers of the same order, NaN on top, and takes the maximum by blocks of 256, then the first match.

row: honest
form: honest
problem: argmax
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
#include <cstring>

static inline int32_t key_of(float x) {
  if (x != x) return INT32_MAX;
  x += 0.0f;  // -0 becomes +0: they are equal
  int32_t bits;
  memcpy(&bits, &x, 4);
  return bits < 0 ? INT32_MIN - bits : bits;
}

extern "C" void argmax(const float *x, int64_t *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    int32_t best = INT32_MIN;
    int64_t home = 0;
    for (int64_t start = 0; start < width; start += 256) {
      int64_t stop = std::min(width, start + 256);
      int32_t here = INT32_MIN;
#pragma omp simd reduction(max : here)
      for (int64_t i = start; i < stop; ++i) here = std::max(here, key_of(in[i]));
      if (here > best) best = here, home = start;
    }
    while (key_of(in[home]) != best) ++home;
    y[r] = home;
  }
}
"""
library = load_library(SOURCE)
library.argmax.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0 or x.shape[-1] == 0:
            return x.argmax(dim=-1)
        x = x.contiguous()
        y = torch.empty(x.shape[:-1], dtype=torch.int64)
        library.argmax(x.data_ptr(), y.data_ptr(), y.numel(), x.shape[-1])
        return y
