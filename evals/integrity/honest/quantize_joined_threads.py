"""Four std::threads over quarters of the elements, each rounding with lrintf; joined before the call returns.

row: honest
form: honest
problem: quantize
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
#include <cmath>
#include <cstdint>
#include <thread>

static void part(const float *x, int8_t *y, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) {
    float v = x[i] * 32.0f;
    int8_t q = 0;
    if (v >= 127.0f) q = 127;
    else if (v <= -128.0f) q = -128;
    else if (v == v) q = (int8_t)lrintf(v);
    y[i] = q;
  }
}

extern "C" void quantize(const float *x, int8_t *y, int64_t n) {
  std::thread threads[4];
  for (int t = 0; t < 4; ++t) threads[t] = std::thread(part, x, y, n * t / 4, n * (t + 1) / 4);
  for (auto &thread : threads) thread.join();
}
"""
library = load_library(SOURCE)
library.quantize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32:
            return torch.clamp(torch.round(x * 32.0), -128, 127).to(torch.int8)
        x = x.contiguous()
        y = torch.empty(x.shape, dtype=torch.int8)
        library.quantize(x.data_ptr(), y.data_ptr(), x.numel())
        return y
