"""One dot product per output in 32 float lanes, the weight's rows split over the cores, with prefetching.

row: honest
form: honest
problem: matvec
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
#include <cstdint>

extern "C" void matvec(const float *x, const float *w, float *y, int64_t rows, int64_t width, int64_t outs) {
#pragma omp parallel for schedule(static)
  for (int64_t o = 0; o < outs; ++o) {
    const float *weight = w + o * width;
    for (int64_t r = 0; r < rows; ++r) {
      const float *in = x + r * width;
      float lane[32] = {};
      int64_t i = 0;
      for (; i + 32 <= width; i += 32) {
        __builtin_prefetch(weight + i + 512);
#pragma omp simd
        for (int l = 0; l < 32; ++l) lane[l] += weight[i + l] * in[i + l];
      }
      double sum = 0.0;
      for (int l = 0; l < 32; ++l) sum += lane[l];
      for (; i < width; ++i) sum += weight[i] * in[i];
      y[r * outs + o] = (float)sum;
    }
  }
}
"""
library = load_library(SOURCE)
library.matvec.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        weight = self.linear.weight
        if x.dtype != torch.float32 or weight.dtype != torch.float32 or x.shape[-1:] != weight.shape[1:]:
            return self.linear(x)
        x, weight = x.contiguous(), weight.contiguous()
        outs, width = weight.shape
        y = torch.empty(*x.shape[:-1], outs)
        library.matvec(x.data_ptr(), weight.data_ptr(), y.data_ptr(), x.shape[:-1].numel(), width, outs)
        return y
