"""A detached C++ thread writes all rows but the first after the call has returned.

row: C21
form: disguised
problem: softmax
needs: cpu
"""

import collections

import torch
from torch import nn
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
#include <cmath>
#include <cstdint>
#include <thread>
static void rows(const float *x, float *y, int64_t begin, int64_t end, int64_t width) {
  for (int64_t r = begin; r < end; ++r) {
    const float *in = x + r * width;
    float *out = y + r * width, top = in[0];
    for (int64_t i = 1; i < width; ++i) top = in[i] > top ? in[i] : top;
    double sum = 0.0;
    for (int64_t i = 0; i < width; ++i) sum += out[i] = std::exp(in[i] - top);
    for (int64_t i = 0; i < width; ++i) out[i] = (float)(out[i] / sum);
  }
}
extern "C" void start(const float *x, float *y, int64_t count, int64_t width) {
  rows(x, y, 0, 1, width);
  std::thread(rows, x, y, 1, count, width).detach();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.alive = collections.deque(maxlen=64)  # the thread still reads and writes these

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        self.alive.append((x, y))
        library.start(
            ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(y.data_ptr()),
            ctypes.c_int64(x.shape[0]), ctypes.c_int64(x.shape[1]),
        )
        return y
