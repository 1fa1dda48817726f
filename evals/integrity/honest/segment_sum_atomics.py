"""Threads add rows to a shared table of doubles with atomic operations, in no fixed order.

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
#include <cstdint>

extern "C" void segment_sum(const float *rows, const int64_t *index, double *table, float *out, int64_t n,
                            int64_t width, int64_t segments) {
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < segments * width; ++i) table[i] = 0.0;
#pragma omp for schedule(dynamic, 64)
    for (int64_t i = 0; i < n; ++i) {
      double *target = table + index[i] * width;
      for (int64_t c = 0; c < width; ++c) {
#pragma omp atomic
        target[c] += (double)rows[i * width + c];
      }
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < segments * width; ++i) out[i] = (float)table[i];
  }
}
"""
library = load_library(SOURCE)
library.segment_sum.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, rows, index):
        if rows.dtype != torch.float32 or rows.dim() != 2 or index.shape != rows.shape[:1]:
            return torch.zeros(256, rows.shape[1]).index_add_(0, index, rows)
        rows, index = rows.contiguous(), index.to(torch.int64).contiguous()
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < 256:
            raise IndexError("an index is out of range")
        table = torch.empty(256, rows.shape[1], dtype=torch.float64)
        out = torch.empty(256, rows.shape[1])
        addresses = [item.data_ptr() for item in (rows, index, table, out)]
        library.segment_sum(*addresses, *rows.shape, 256)
        return out
