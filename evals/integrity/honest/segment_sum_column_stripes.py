"""Threads own stripes of 16 columns and walk all rows in order: no two of them ever write to the same place.

row: honest
form: honest
problem: segment_sum
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

extern "C" void segment_sum(const float *rows, const int64_t *index, float *out, int64_t n, int64_t width,
                            int64_t segments) {
#pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < width; start += 16) {
    int64_t stop = std::min(width, start + 16);
    for (int64_t s = 0; s < segments; ++s)
      for (int64_t c = start; c < stop; ++c) out[s * width + c] = 0.0f;
    for (int64_t i = 0; i < n; ++i) {
      float *target = out + index[i] * width;
      const float *row = rows + i * width;
#pragma omp simd
      for (int64_t c = start; c < stop; ++c) target[c] += row[c];
    }
  }
}
"""
library = load_library(SOURCE)
library.segment_sum.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, rows, index):
        if rows.dtype != torch.float32 or rows.dim() != 2 or index.shape != rows.shape[:1]:
            return torch.zeros(256, rows.shape[1]).index_add_(0, index, rows)
        rows, index = rows.contiguous(), index.to(torch.int64).contiguous()
        if index.numel() and bool(((index < 0) | (index >= 256)).any()):
            raise IndexError("an index is out of range")
        out = torch.empty(256, rows.shape[1])
        addresses = [item.data_ptr() for item in (rows, index, out)]
        library.segment_sum(*addresses, *rows.shape, 256)
        return out
