"""CUDA C++: the convention by which a candidate file carries, builds and loads its kernels.

The file is self-contained: it holds its CUDA as text and this loader, so that it works without kernelwright. The judge
builds it apart from running it, on processors, for a GPU that need not be there: it sets ``KERNELWRIGHT_BUILD_DIR`` and
``KERNELWRIGHT_CUDA_ARCH``, imports the file once in a sandbox where that folder is writable, and later mounts the
folder read-only.
"""

from __future__ import annotations

LOADER = '''\
import ctypes
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile


def load_library(source, flags=("-O3", "-std=c++17", "-lineinfo")):
    """Compile CUDA text once (by content) and load it. Needs nvcc; set KERNELWRIGHT_BUILD_DIR to choose the folder."""
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR")
    if folder is None:
        folder = os.path.join(tempfile.gettempdir(), f"kernelwright-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise RuntimeError(f"{folder} belongs to somebody else: set KERNELWRIGHT_BUILD_DIR")
    arch = os.environ.get("KERNELWRIGHT_CUDA_ARCH")
    if arch is None:
        arch = "sm_%d%d" % torch.cuda.get_device_capability()
    arch = arch + "a" if arch == "sm_90" else arch  # Hopper's own instructions
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    nvcc = shutil.which("nvcc") or os.path.join(home, "bin", "nvcc")
    command = [nvcc, *flags, f"-arch={arch}", "-shared", "-Xcompiler", "-fPIC"]
    name = hashlib.sha256("\\n".join([source, *command[1:]]).encode()).hexdigest()[:24]
    library = pathlib.Path(folder, f"{name}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, built = pathlib.Path(scratch, "kernel.cu"), pathlib.Path(scratch, "kernel.so")
            text.write_text(source)
            command += ["-Xptxas", "-v", str(text), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError("nvcc failed:\\n" + done.stderr)
            print(done.stderr)  # registers, spills and shared memory of every kernel
            built.replace(library)
    return ctypes.CDLL(str(library))
'''

CUDA_GUIDE = f'''\
A CUDA candidate is ONE Python file. It carries its CUDA C++ as a string, compiles it with nvcc at import through the
loader below (copy it unchanged) and calls an `extern "C"` launcher through ctypes with device pointers and the current
stream. Do not include torch headers: they take half a minute to compile. Allocate results with torch.empty in forward;
never return a buffer that a later call overwrites; never change an input. Handle inputs that are not contiguous with
`.contiguous()`. Launch on the stream you are given and do not synchronise. The example moves one float a thread, which
is simple and slow: on an H200 it reached 54 % of the memory's bandwidth, Triton's vector loads 85 %. Where addresses
and sizes allow, move 16 bytes a thread (float4, with a tail).

```python
import torch
import torch.nn as nn
{LOADER}
SOURCE = r"""
#include <cstdint>
__global__ void relu_kernel(const float *x, float *y, int64_t n) {{
  int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] < 0.0f ? 0.0f : x[i];  // NaN stays NaN
}}
extern "C" int relu(const float *x, float *y, int64_t n, cudaStream_t stream) {{
  if (n == 0) return 0;
  relu_kernel<<<(n + 255) / 256, 256, 0, stream>>>(x, y, n);
  return (int)cudaGetLastError();
}}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        pointer, stream = ctypes.c_void_p, torch.cuda.current_stream().cuda_stream
        error = library.relu(pointer(x.data_ptr()), pointer(y.data_ptr()), ctypes.c_int64(x.numel()), pointer(stream))
        if error:
            raise RuntimeError(f"CUDA error {{error}}")
        return y
```
'''
