"""The standard library's partial_sort on value and position pairs, rows over the cores; NaN ranks highest.

row: honest
form: honest
problem: top_k
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
#include <utility>
#include <vector>

typedef std::pair<float, int64_t> Entry;

extern "C" void top_k(const float *x, float *values, int64_t *positions, int64_t rows, int64_t width, int64_t k) {
#pragma omp parallel
  {
    std::vector<Entry> line(width);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < width; ++i) line[i] = Entry(x[r * width + i], i);
      auto before = [](const Entry &a, const Entry &b) {
        return (a.first != a.first && b.first == b.first) || a.first > b.first;
      };
      std::partial_sort(line.begin(), line.begin() + k, line.end(), before);
      for (int64_t j = 0; j < k; ++j) {
        values[r * k + j] = line[j].first;
        positions[r * k + j] = line[j].second;
      }
    }
  }
}
"""
library = load_library(SOURCE)
library.top_k.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0 or x.shape[-1] < 8:
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        x = x.contiguous()
        values = torch.empty(*x.shape[:-1], 8)
        positions = torch.empty(values.shape, dtype=torch.int64)
        addresses = [item.data_ptr() for item in (x, values, positions)]
        library.top_k(*addresses, x.shape[:-1].numel(), x.shape[-1], 8)
        return values, positions
