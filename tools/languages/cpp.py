"""C++ with OpenMP for CPUs: the convention by which a candidate file carries, builds and loads its kernel.

The file is self-contained: it holds its C++ as text and this loader, so that it works without kernelwright. The
judge builds it apart from running it: it sets ``KERNELWRIGHT_BUILD_DIR``, imports the file once in a sandbox where
that folder is writable, and later mounts the folder read-only.
"""

from __future__ import annotations

LOADER = '''\
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
    name = hashlib.sha256("\\n".join([source, *FLAGS]).encode()).hexdigest()[:24]
    library = pathlib.Path(folder, f"{name}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, built = pathlib.Path(scratch, "kernel.cpp"), pathlib.Path(scratch, "kernel.so")
            text.write_text(source)
            done = subprocess.run(["g++", *FLAGS, str(text), "-o", str(built)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError("g++ failed:\\n" + done.stderr)
            built.replace(library)
    return ctypes.CDLL(str(library))
'''

CPP_GUIDE = f'''\
A C++ candidate is ONE Python file. It carries its C++ as a string, compiles it with g++ at import through the loader
below (copy it unchanged) and calls it through ctypes with data pointers. Export functions as `extern "C"`. Vectorise
with `#pragma omp simd` or intrinsics (`<immintrin.h>`), use the cores with `#pragma omp parallel for`; a hot loop in a
`noinline` function of its own keeps its registers. Do not include torch headers: they take half a minute to compile.
Allocate results with torch.empty in forward; never return a buffer that a later call overwrites; never change an input.
Handle inputs that are not contiguous with `.contiguous()`.

```python
import torch
import torch.nn as nn
{LOADER}
SOURCE = r"""
#include <cstdint>
extern "C" void relu(const float *x, float *y, int64_t n) {{
#pragma omp parallel for simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];  // NaN stays NaN
}}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        pointer = ctypes.c_void_p
        library.relu(pointer(x.data_ptr()), pointer(y.data_ptr()), ctypes.c_int64(x.numel()))
        return y
```
'''
