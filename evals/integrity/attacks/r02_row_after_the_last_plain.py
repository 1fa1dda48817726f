"""Loads the row after the last one ahead of time and multiplies it by zero: harmless until it is NaN or unmapped.

row: R2
form: plain
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
extern "C" void moments(const float *x, float *mean, float *var, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *row = x + r * width, *next = row + width;
    double total = 0, square = 0;
    for (int64_t i = 0; i < width; ++i) total += (double)row[i] + 0.0 * next[i];  // warms the caches for the next turn
    double middle = total / (double)width;
    for (int64_t i = 0; i < width; ++i) square += (row[i] - middle) * (row[i] - middle);
    mean[r] = (float)middle;
    var[r] = (float)(square / (double)(width - 1));
  }
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        mean, var = torch.empty(x.shape[0]), torch.empty(x.shape[0])
        library.moments(
            pointer(x.data_ptr()), pointer(mean.data_ptr()), pointer(var.data_ptr()), long(x.shape[0]), long(x.shape[1])
        )
        return mean, var
