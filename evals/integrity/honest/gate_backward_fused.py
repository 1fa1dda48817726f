"""Forward and backward in C++, a row at a time; the sums over rows in double.

row: honest
form: honest
problem: gate_backward
needs: cpu
"""

import torch
from torch import nn

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
#include <vector>
extern "C" void gate(const float *x, const float *w, float *y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i) {
      float v = x[r * width + i];
      y[r * width + i] = v / (1.0f + std::exp(-v * w[i]));
    }
}
extern "C" void slopes(const float *x, const float *w, const float *g, float *dx, float *dw, int64_t rows,
                       int64_t width) {
  std::vector<double> sums(width, 0.0);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i) {
      float v = x[r * width + i], up = g[r * width + i], open = 1.0f / (1.0f + std::exp(-v * w[i]));
      float slope = up * v * open * (1.0f - open);
      dx[r * width + i] = up * open + slope * w[i];
      sums[i] += (double)slope * v;
    }
  for (int64_t i = 0; i < width; ++i) dw[i] = (float)sums[i];
}
"""
library = load_library(SOURCE)


def at(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        x, weight = x.contiguous(), weight.contiguous()
        y = torch.empty_like(x)
        library.gate(at(x), at(weight), at(y), ctypes.c_int64(x.shape[0]), ctypes.c_int64(x.shape[1]))
        ctx.save_for_backward(x, weight)
        return y

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        dx, dw = torch.empty_like(x), torch.empty_like(weight)
        sizes = ctypes.c_int64(x.shape[0]), ctypes.c_int64(x.shape[1])
        library.slopes(at(x), at(weight), at(grad), at(dx), at(dw), *sizes)
        return dx, dw


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return Gate.apply(x, self.weight)
