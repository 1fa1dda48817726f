"""Rows dealt out to two std::threads that are joined before the call returns; strided rows are read without a copy.

row: honest
form: honest
problem: softmax
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
#include <cstring>
#include <thread>
// exp for finite and infinite numbers, NaN stays NaN; about one unit in the last place, denormal results included
static inline float exp_of(float x) {
  float c = x > 89.0f ? 89.0f : x;
  c = c < -104.0f ? -104.0f : c;
  float n = __builtin_nearbyintf(c * 1.44269504f);
  n = n == n ? n : 0.0f;
  float r = c - n * 0.693359375f;
  r += n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t i = (int32_t)n, half = i >> 1, rest = i - half;
  int32_t a = (half + 127) << 23, b = (rest + 127) << 23;
  float fa, fb;
  memcpy(&fa, &a, 4);
  memcpy(&fb, &b, 4);
  return p * fa * fb;
}

static void work(const float *x, float *y, int64_t first, int64_t last, int64_t width, int64_t step) {
  for (int64_t r = first; r < last; ++r) {
    const float *in = x + r * step;
    float *out = y + r * width;
    float top = -INFINITY;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < width; ++i) top = in[i] > top ? in[i] : top;
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; ++i) sum += out[i] = exp_of(in[i] - top);
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) out[i] /= sum;
  }
}

extern "C" void softmax_threads(const float *x, float *y, int64_t rows, int64_t width, int64_t step) {
  int64_t half = rows / 2;
  std::thread other(work, x, y, int64_t(0), half, width, step);
  work(x, y, half, rows, width, step);
  other.join();
}
"""
library = load_library(SOURCE)
library.softmax_threads.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0:
            return torch.softmax(x, dim=-1)
        if x.dim() != 2 or x.stride(1) != 1:
            x = x.contiguous()
        y = torch.empty(x.shape)
        step = x.stride(0) if x.dim() == 2 else x.shape[-1]
        library.softmax_threads(x.data_ptr(), y.data_ptr(), x.shape[:-1].numel(), x.shape[-1], step)
        return y
