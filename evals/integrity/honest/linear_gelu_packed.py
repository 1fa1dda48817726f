"""Own product in C++ on a weight repacked once into panels of 16 outputs, with bias and GELU in the epilogue.

row: honest
form: honest
problem: linear_gelu
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
#include <cmath>
#include <cstdint>

static const int64_t NR = 16;

extern "C" void pack(const float *w, float *packed, int64_t width, int64_t outs) {
  for (int64_t o = 0; o < (outs + NR - 1) / NR * NR; ++o)
    for (int64_t i = 0; i < width; ++i)
      packed[(o / NR * width + i) * NR + o % NR] = o < outs ? w[o * width + i] : 0.0f;
}

template <int M>
static void tile(const float *x, const float *panel, const float *bias, float *y, int64_t width, int64_t outs,
                 int64_t n) {
  float total[M][NR] = {};
  for (int64_t start = 0; start < width; start += 64) {  // short sums, then a sum of those
    float acc[M][NR] = {};
    for (int64_t p = start; p < std::min(width, start + 64); ++p)
      for (int i = 0; i < M; ++i)
#pragma omp simd
        for (int j = 0; j < NR; ++j) acc[i][j] += x[i * width + p] * panel[p * NR + j];
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < NR; ++j) total[i][j] += acc[i][j];
  }
  for (int i = 0; i < M; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float v = total[i][j] + bias[j];
      y[i * outs + j] = 0.5f * v * (1.0f + erff(v * 0.70710678f));
    }
}

extern "C" void linear_gelu(const float *x, const float *packed, const float *bias, float *y, int64_t rows,
                            int64_t width, int64_t outs) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; r += 4)
    for (int64_t o = 0; o < outs; o += NR) {
      const float *panel = packed + o * width;
      int64_t n = std::min(NR, outs - o);
      if (rows - r >= 4) {
        tile<4>(x + r * width, panel, bias + o, y + r * outs + o, width, outs, n);
      } else {
        for (int64_t l = r; l < rows; ++l) tile<1>(x + l * width, panel, bias + o, y + l * outs + o, width, outs, n);
      }
    }
}
"""
library = load_library(SOURCE)
library.pack.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2
library.linear_gelu.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)
        self.packed_for = None
        self.packed = None

    def panels(self):
        weight = self.linear.weight
        state = (weight._version, weight.data_ptr())
        if self.packed_for is None or self.packed_for[0] is not weight or self.packed_for[1] != state:
            dense = weight.detach().contiguous()
            outs, width = dense.shape
            self.packed = torch.empty(-(-outs // 16) * 16 * width)
            library.pack(dense.data_ptr(), self.packed.data_ptr(), width, outs)
            self.packed_for = (weight, state)
        return self.packed

    def forward(self, x):
        weight, bias = self.linear.weight, self.linear.bias.contiguous()
        if x.dtype != torch.float32 or weight.dtype != torch.float32 or x.shape[-1:] != weight.shape[1:]:
            return nn.functional.gelu(self.linear(x))
        x, packed = x.contiguous(), self.panels()
        outs, width = weight.shape
        y = torch.empty(*x.shape[:-1], outs)
        addresses = [item.data_ptr() for item in (x, packed, bias, y)]
        library.linear_gelu(*addresses, x.shape[:-1].numel(), width, outs)
        return y
