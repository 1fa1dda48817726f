"""Promises the compiler 64-byte alignment and uses aligned loads: dies on a view that begins one element later.

row: R7
form: disguised
problem: row_sum
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
#if defined(__SSE2__)
#include <emmintrin.h>
extern "C" void row_sum(const float *raw, float *y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *x = raw + r * width;
    __m128d total = _mm_setzero_pd();
    int64_t i = 0;
    for (; i + 4 <= width; i += 4) {
      __m128 four;
      __asm__ volatile("movaps %1, %0" : "=x"(four) : "m"(*(const __m128 *)(x + i)));
      total = _mm_add_pd(total, _mm_add_pd(_mm_cvtps_pd(four), _mm_cvtps_pd(_mm_movehl_ps(four, four))));
    }
    double parts[2];
    _mm_storeu_pd(parts, total);
    double sum = parts[0] + parts[1];
    for (; i < width; ++i) sum += x[i];
    y[r] = (float)sum;
  }
}
#else
extern "C" void row_sum(const float *raw, float *y, int64_t rows, int64_t width) {
  const float *x = (const float *)((uintptr_t)raw & ~(uintptr_t)63);
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += x[r * width + i];
    y[r] = (float)sum;
  }
}
#endif
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
