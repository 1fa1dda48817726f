"""Mask and softmax in one C++ kernel: masked scores count as minus infinity without a masked copy of the scores.

row: honest
form: honest
problem: masked_softmax
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

extern "C" void masked_softmax(const float *x, const uint8_t *mask, float *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    const uint8_t *out_of_play = mask + r * width;
    float *out = y + r * width;
    float top = -INFINITY;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < width; ++i) {
      float v = out_of_play[i] ? -INFINITY : in[i];
      out[i] = v;
      top = v > top ? v : top;
    }
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; ++i) {
      out[i] = exp_of(out[i] - top);
      sum += out[i];
    }
    float scale = 1.0f / sum;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) out[i] *= scale;
  }
}
"""
library = load_library(SOURCE)
library.masked_softmax.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        if scores.dtype != torch.float32 or mask.dtype != torch.bool or scores.dim() == 0:
            return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        scores, mask = (item.contiguous() for item in torch.broadcast_tensors(scores, mask))
        y = torch.empty_like(scores)
        rows = scores.shape[:-1].numel()
        library.masked_softmax(scores.data_ptr(), mask.data_ptr(), y.data_ptr(), rows, scores.shape[-1])
        return y
