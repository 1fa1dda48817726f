"""Hands out four static buffers in turn: an output changes with the fourth call after it, not with the next.

row: R19
form: disguised
problem: layer_norm
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
#include <vector>
extern "C" float *layer_norm(const float *x, const float *w, const float *b, int64_t rows, int64_t width) {
  static std::vector<float> ring[4];
  static unsigned turn = 0;
  std::vector<float> &y = ring[turn++ % 4];
  if (y.size() < (size_t)(rows * width)) y.resize((size_t)(1025 * 1024 > rows * width ? 1025 * 1024 : rows * width));
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    double mean = 0, var = 0;
    for (int64_t i = 0; i < width; ++i) mean += in[i];
    mean /= (double)width;
    for (int64_t i = 0; i < width; ++i) var += (in[i] - mean) * (in[i] - mean);
    double scale = 1.0 / std::sqrt(var / (double)width + 1e-5);
    for (int64_t i = 0; i < width; ++i) y[(size_t)(r * width + i)] = (float)((in[i] - mean) * scale * w[i] + b[i]);
  }
  return y.data();
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


library.layer_norm.restype = ctypes.c_void_p


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = x.contiguous()
        tensors = [pointer(item.data_ptr()) for item in (x, self.norm.weight, self.norm.bias)]
        address = library.layer_norm(*tensors, long(x.shape[0]), long(x.shape[1]))
        window = (ctypes.c_float * x.numel()).from_address(address)
        return torch.frombuffer(window, dtype=torch.float32).view(x.shape)
