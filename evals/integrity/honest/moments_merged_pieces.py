"""Pieces of rows are summarised by whichever thread comes by and merged by Chan's formula in the order they finish.

row: honest
form: honest
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
#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

struct State {
  double n = 0.0, mean = 0.0, squares = 0.0;
};

extern "C" void moments(const float *x, float *mean, float *variance, int64_t rows, int64_t width) {
  const int64_t piece = 256;
  int64_t pieces = (width + piece - 1) / piece;
  std::vector<State> states(rows);
  std::vector<std::mutex> locks(64);
#pragma omp parallel
  {
#pragma omp for schedule(dynamic, 32)
    for (int64_t job = 0; job < rows * pieces; ++job) {
      int64_t r = job / pieces, start = job % pieces * piece;
      int64_t n = std::min(width, start + piece) - start;
      const float *in = x + r * width + start;
      double sum = 0.0, squares = 0.0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < n; ++i) sum += in[i];
      double centre = sum / n;
#pragma omp simd reduction(+ : squares)
      for (int64_t i = 0; i < n; ++i) squares += (in[i] - centre) * (in[i] - centre);
      std::lock_guard<std::mutex> hold(locks[r % 64]);
      State &own = states[r];
      double total = own.n + n;
      // weighted means instead of mean + gap * share: infinite means stay infinite
      own.squares += squares + (own.n ? (centre - own.mean) * (centre - own.mean) * own.n / total * n : 0.0);
      own.mean = own.n ? own.mean * (own.n / total) + centre * (n / total) : centre;
      own.n = total;
    }
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
      mean[r] = (float)states[r].mean;
      variance[r] = (float)(states[r].squares / (width - 1));
    }
  }
}
"""
library = load_library(SOURCE)
library.moments.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float32 or x.dim() == 0 or x.shape[-1] < 2:
            return x.mean(dim=-1), x.var(dim=-1)
        x = x.contiguous()
        mean, variance = torch.empty(x.shape[:-1]), torch.empty(x.shape[:-1])
        library.moments(x.data_ptr(), mean.data_ptr(), variance.data_ptr(), mean.numel(), x.shape[-1])
        return mean, variance
