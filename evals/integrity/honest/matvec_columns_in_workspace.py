"""Walks a repacked weight in panels of 64 outputs and keeps a double accumulator for each, in a workspace per shape.

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
#include <algorithm>
#include <cstdint>

// packed[panel][i][64]: 64 outputs side by side, padded with zeros
extern "C" void pack(const float *w, float *packed, int64_t width, int64_t outs) {
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < (outs + 63) / 64; ++p)
    for (int64_t i = 0; i < width; ++i)
      for (int64_t l = 0; l < 64; ++l)
        packed[(p * width + i) * 64 + l] = p * 64 + l < outs ? w[(p * 64 + l) * width + i] : 0.0f;
}

extern "C" void matvec(const float *x, const float *packed, double *work, float *y, int64_t rows, int64_t width,
                       int64_t outs) {
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < (outs + 63) / 64; ++p)
    for (int64_t r = 0; r < rows; ++r) {
      double *sum = work + p * 64;
      for (int l = 0; l < 64; ++l) sum[l] = 0.0;
      for (int64_t i = 0; i < width; ++i) {
        const float *line = packed + (p * width + i) * 64;
        double v = x[r * width + i];
#pragma omp simd
        for (int l = 0; l < 64; ++l) sum[l] += v * line[l];
      }
      for (int64_t l = 0; l < std::min<int64_t>(64, outs - p * 64); ++l) y[r * outs + p * 64 + l] = (float)sum[l];
    }
}
"""
library = load_library(SOURCE)
library.pack.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2
library.matvec.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)
        self.packed_for = None
        self.packed = None
        self.work = None

    def panels(self):
        weight = self.linear.weight
        state = (weight._version, weight.data_ptr())
        if self.packed_for is None or self.packed_for[0] is not weight or self.packed_for[1] != state:
            outs, width = weight.shape
            count = -(-outs // 64)
            self.packed = torch.empty(count * width * 64)
            self.work = torch.empty(count * 64, dtype=torch.float64)
            dense = weight.detach().contiguous()
            library.pack(dense.data_ptr(), self.packed.data_ptr(), width, outs)
            self.packed_for = (weight, state)
        return self.packed, self.work

    def forward(self, x):
        weight = self.linear.weight
        if x.dtype != torch.float32 or weight.dtype != torch.float32 or x.shape[-1:] != weight.shape[1:]:
            return self.linear(x)
        packed, work = self.panels()
        x = x.contiguous()
        outs, width = weight.shape
        y = torch.empty(*x.shape[:-1], outs)
        addresses = [item.data_ptr() for item in (x, packed, work, y)]
        library.matvec(*addresses, x.shape[:-1].numel(), width, outs)
        return y
