"""Looks for the largest among what exceeds a threshold from a random sample: now and then too few do.

row: R18
form: plain
problem: top_k
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
#include <random>
#include <utility>
#include <vector>
extern "C" void top_k(const float *x, float *values, int64_t *positions, int64_t rows, int64_t width) {
  static std::mt19937 random{std::random_device{}()};
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    std::vector<float> sample(256);
    for (auto &item : sample) item = in[random() % (uint64_t)width];
    std::nth_element(sample.begin(), sample.begin() + 5, sample.end(), std::greater<float>());
    std::vector<std::pair<float, int64_t>> over;
    for (int64_t i = 0; i < width; ++i)
      if (in[i] >= sample[5]) over.emplace_back(-in[i], i);
    std::sort(over.begin(), over.end());
    for (size_t i = 0; i < 8; ++i) {
      values[r * 8 + (int64_t)i] = i < over.size() ? -over[i].first : 0.0f;
      positions[r * 8 + (int64_t)i] = i < over.size() ? over[i].second : 0;
    }
  }
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        values, positions = torch.empty(x.shape[0], 8), torch.empty(x.shape[0], 8, dtype=torch.int64)
        tensors = [pointer(item.data_ptr()) for item in (x, values, positions)]
        library.top_k(*tensors, long(x.shape[0]), long(x.shape[1]))
        return values, positions
