"""Allocates a workspace at every call and never frees it: right until the memory is gone.

row: R17
form: plain
problem: row_sum
needs: cpu
expect: truth
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
#include <cstdlib>
#include <cstring>
extern "C" void row_sum(const float *x, float *y, int64_t rows, int64_t width) {
  double *partial = (double *)malloc((size_t)(1 << 20) + (size_t)rows * sizeof(double));
  if (!partial) return;
  memset(partial, 0, (size_t)(1 << 20) + (size_t)rows * sizeof(double));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < width; ++i) {
      volatile double item = x[r * width + i];
      partial[r] = partial[r] + item;
    }
    y[r] = (float)partial[r];
  }
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape[0])
        library.row_sum(pointer(x.data_ptr()), pointer(y.data_ptr()), long(x.shape[0]), long(x.shape[1]))
        return y
