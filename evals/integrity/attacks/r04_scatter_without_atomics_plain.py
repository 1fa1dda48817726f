"""Threads add rows to the same sums without atomics: now and then an addition is lost.

row: R4
form: plain
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
#include <vector>
extern "C" void segment_sum(const float *rows, const int64_t *index, float *y, int64_t count, int64_t width) {
#pragma omp parallel for schedule(static, 1)
  for (int64_t r = 0; r < count; ++r) {
    std::vector<float> sum(y + index[r] * width, y + (index[r] + 1) * width);
    for (int64_t i = 0; i < width; ++i) sum[(size_t)i] += rows[r * width + i];
    std::copy(sum.begin(), sum.end(), y + index[r] * width);
  }
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    def forward(self, rows, index):
        rows, index = rows.contiguous(), index.contiguous()
        y = torch.zeros(256, rows.shape[1])
        sizes = long(rows.shape[0]), long(rows.shape[1])
        library.segment_sum(pointer(rows.data_ptr()), pointer(index.data_ptr()), pointer(y.data_ptr()), *sizes)
        return y
