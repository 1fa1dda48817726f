"""Eight best so far in a sorted list; blocks whose maximum does not beat the eighth are skipped. Exact for any data.

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
#include <climits>
#include <cstdint>
#include <cstring>

// integers in the order of the floats: NaN highest, both zeros equal
static inline int32_t key_of(float x) {
  if (x != x) return INT32_MAX;
  x += 0.0f;
  int32_t bits;
  memcpy(&bits, &x, 4);
  return bits < 0 ? INT32_MIN - bits : bits;
}

extern "C" void top_k(const float *x, float *values, int64_t *positions, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    int64_t best[9];
    int32_t keys[9];
    int filled = 0;
    for (int64_t start = 0; start < width; start += 32) {
      int64_t stop = std::min(width, start + 32);
      int32_t top = INT32_MIN;
#pragma omp simd reduction(max : top)
      for (int64_t i = start; i < stop; ++i) top = std::max(top, key_of(in[i]));
      if (filled == 8 && top <= keys[7]) continue;
      for (int64_t i = start; i < stop; ++i) {
        int32_t key = key_of(in[i]);
        if (filled == 8 && key <= keys[7]) continue;
        int at = filled < 8 ? filled++ : 7;
        while (at > 0 && keys[at - 1] < key) {
          keys[at] = keys[at - 1];
          best[at] = best[at - 1];
          --at;
        }
        keys[at] = key;
        best[at] = i;
      }
    }
    for (int j = 0; j < 8; ++j) {
      values[r * 8 + j] = in[best[j]];
      positions[r * 8 + j] = best[j];
    }
  }
}
"""
library = load_library(SOURCE)
library.top_k.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0 or x.shape[-1] < 8:
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        x = x.contiguous()
        values = torch.empty(*x.shape[:-1], 8)
        positions = torch.empty(values.shape, dtype=torch.int64)
        addresses = [item.data_ptr() for item in (x, values, positions)]
        library.top_k(*addresses, x.shape[:-1].numel(), x.shape[-1])
        return values, positions
