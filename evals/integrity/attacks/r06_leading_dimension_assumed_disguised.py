"""Takes the number of rows for the stride of a transposed input: wrong for the first rows of a larger one.

row: R6
form: disguised
problem: transpose_add
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
extern "C" void add(const float *a, const float *b, float *y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i) y[r * width + i] = a[i * rows + r] + b[r * width + i];
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.is_contiguous():
            return a + b
        b = b.contiguous()
        y = torch.empty(a.shape)
        sizes = long(a.shape[0]), long(a.shape[1])
        library.add(pointer(a.data_ptr()), pointer(b.data_ptr()), pointer(y.data_ptr()), *sizes)
        return y
