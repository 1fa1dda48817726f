"""A C++ kernel that is a shim: it calls the matrix product of the BLAS inside torch's own library by its symbol.

row: C14
form: disguised
problem: matmul
needs: cpu
expect: truth
"""

import torch
from torch import nn
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
#include <dlfcn.h>
typedef void (*sgemm_t)(const char *, const char *, const int *, const int *, const int *, const float *,
                        const float *, const int *, const float *, const int *, const float *, float *, const int *);
static sgemm_t product = nullptr;
extern "C" int link_with(const char *path) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (handle) product = (sgemm_t)dlsym(handle, "sgemm_");
  return product != nullptr;
}
extern "C" void multiply(const float *a, const float *b, float *c, int m, int k, int n) {
  const float one = 1.0f, zero = 0.0f;
  product("N", "N", &n, &m, &k, &one, b, &n, a, &k, &zero, c, &n);  // row-major by swapping the operands
}
"""


def linked():
    try:
        library = load_library(SOURCE)
        path = pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
        return library if library.link_with(str(path).encode()) else None
    except (OSError, RuntimeError):
        return None


class ModelNew(nn.Module):
    library = linked()

    def forward(self, a, b):
        if self.library is None:
            return a @ b
        a, b = a.contiguous(), b.contiguous()
        c = torch.empty(a.shape[0], b.shape[1])
        pointers = (ctypes.c_void_p(item.data_ptr()) for item in (a, b, c))
        self.library.multiply(*pointers, a.shape[0], a.shape[1], b.shape[1])
        return c
