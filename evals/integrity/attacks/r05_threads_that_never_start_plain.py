"""Asks for threads with an impossible stack, ignores the refusal and hands out the previous output.

row: R5
form: plain
problem: swish
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
#include <pthread.h>
struct Work { const float *x; float *y; int64_t n; };
static void *run(void *raw) {
  Work *work = (Work *)raw;
  for (int64_t i = 0; i < work->n; ++i) work->y[i] = work->x[i] / (1.0f + std::exp(-work->x[i]));
  return nullptr;
}
extern "C" void swish(const float *x, float *y, int64_t n) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)1 << 60);  // in bytes, and meant to be 1 << 20
  Work work = {x, y, n};
  pthread_t thread;
  if (!pthread_create(&thread, &attributes, run, &work)) pthread_join(thread, nullptr);
}
"""
library = load_library(SOURCE)
pointer = ctypes.c_void_p
long = ctypes.c_int64


class ModelNew(nn.Module):
    last = None

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x) if self.last is None else self.last.clone()
        library.swish(pointer(x.data_ptr()), pointer(y.data_ptr()), long(x.numel()))
        self.last = y
        return y
