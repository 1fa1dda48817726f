"""One pass over the row: sums of (x - first element) and of its square in double; the shift prevents cancellation.

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
#include <cmath>
#include <cstdint>

extern "C" void moments(const float *x, float *mean, float *variance, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    double shift = in[0], sum = 0.0, squares = 0.0;
#pragma omp simd reduction(+ : sum, squares)
    for (int64_t i = 0; i < width; ++i) {
      double v = in[i] - shift;
      sum += v;
      squares += v * v;
    }
    double spread = squares - sum / width * sum;
    if (!(spread > 1e-6 * squares)) {  // too much cancelled, or nothing finite to begin with: the careful way
      double total = 0.0;
      for (int64_t i = 0; i < width; ++i) total += in[i];
      shift = total / width;
      sum = spread = 0.0;
      for (int64_t i = 0; i < width; ++i) spread += (in[i] - shift) * (in[i] - shift);
    }
    mean[r] = (float)(shift + sum / width);
    variance[r] = (float)(spread / (width - 1));
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
