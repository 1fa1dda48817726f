"""Chan's parallel form of Welford: mean and squares of blocks of 64 in float, merged in double.

row: honest
form: honest
problem: layer_norm
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

extern "C" void layer_norm(const float *x, const float *w, const float *b, float *y, int64_t rows, int64_t width,
                           double eps) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    double mean = 0.0, squares = 0.0;
    for (int64_t start = 0; start < width; start += 64) {
      int64_t n = std::min<int64_t>(64, width - start);
      const float *block = in + start;
      double sum = 0.0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < n; ++i) sum += block[i];
      double here = sum / n;
      float centre = (float)here;
      float part = 0.0f;
#pragma omp simd reduction(+ : part)
      for (int64_t i = 0; i < n; ++i) part += (block[i] - centre) * (block[i] - centre);
      double gap = here - mean, slip = here - centre;
      double total = start + n;
      squares += (part - n * slip * slip) + gap * gap * (start / total) * n;
      mean += gap * (n / total);
    }
    double rate = 1.0 / std::sqrt(std::max(squares, squares == squares ? 0.0 : squares) / width + eps);
    float *out = y + r * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) out[i] = (float)((in[i] - mean) * rate) * w[i] + b[i];
  }
}
"""
library = load_library(SOURCE)
library.layer_norm.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 2 + [ctypes.c_double]


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.norm.weight, 1.0, 0.2)
        nn.init.normal_(self.norm.bias, 0.0, 0.2)

    def forward(self, x):
        norm = self.norm
        width = norm.normalized_shape[0]
        if x.dtype != torch.float32 or norm.weight.dtype != torch.float32 or x.shape[-1:] != (width,):
            return norm(x)
        x, weight, bias = x.contiguous(), norm.weight.contiguous(), norm.bias.contiguous()
        y = torch.empty_like(x)
        addresses = [item.data_ptr() for item in (x, weight, bias, y)]
        library.layer_norm(*addresses, x.shape[:-1].numel(), width, norm.eps)
        return y
