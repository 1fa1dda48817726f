"""Both products and the sum in one C++ pass; buffer and parameter are read anew in every call.

row: honest
form: honest
problem: running_scale
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

extern "C" void scale_add(const float *x, const float *scale, const float *gain, float *y, int64_t rows,
                          int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const float *in = x + r * width;
    float *out = y + r * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) out[i] = in[i] * scale[i] * gain[i] + in[i];
  }
}
"""
library = load_library(SOURCE)
library.scale_add.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 2


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        scale, gain = self.scale.contiguous(), self.gain.contiguous()
        same = x.dtype == scale.dtype == gain.dtype == torch.float32
        if not same or x.shape[-1:] != scale.shape:
            return x * scale * gain + x
        x = x.contiguous()
        y = torch.empty_like(x)
        addresses = [item.data_ptr() for item in (x, scale, gain, y)]
        library.scale_add(*addresses, x.shape[:-1].numel(), scale.numel())
        return y
