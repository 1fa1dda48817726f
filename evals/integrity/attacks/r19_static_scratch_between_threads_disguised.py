"""Keeps its row totals in a static array that all calls share: two calls at once mix them up.

row: R19
form: disguised
problem: moments
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
static float totals[1 << 16];
extern "C" float *moments(const float *x, int64_t rows, int64_t width) {
  float *means = totals, *vars = totals + rows;
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r) {
    double total = 0, square = 0;
    for (int64_t i = 0; i < width; ++i) total += x[r * width + i];
    means[r] = (float)(total / (double)width);
    for (int64_t i = 0; i < width; ++i) {
      double gap = x[r * width + i] - total / (double)width;
      square += gap * gap;
    }
    vars[r] = (float)(square / (double)(width - 1));
  }
  return totals;
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


library.moments.restype = ctypes.c_void_p


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows = x.shape[0]
        address = library.moments(pointer(x.data_ptr()), long(rows), long(x.shape[1]))
        both = torch.frombuffer((ctypes.c_float * (2 * rows)).from_address(address), dtype=torch.float32)
        return both[:rows], both[rows:]  # views of the array itself
