"""Four numbers to four bytes at a time, with the rest one by one.

row: honest
form: honest
problem: quantize
needs: cuda
"""

import ctypes
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import torch
from torch import nn

FLAGS = "-O3 -std=c++17 -arch=sm_90 -shared -Xcompiler -fPIC".split()


def load_library(source):
    """Compile CUDA C++ text once (by content) and load it; KERNELWRIGHT_BUILD_DIR names the folder."""
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR") or tempfile.mkdtemp(prefix="kernels-")
    name = hashlib.sha256("\n".join([source, *FLAGS]).encode()).hexdigest()[:24]
    library = pathlib.Path(folder, f"{name}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, built = pathlib.Path(scratch, "kernel.cu"), pathlib.Path(scratch, "kernel.so")
            text.write_text(source)
            compiler = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
            done = subprocess.run([compiler, *FLAGS, str(text), "-o", str(built)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError("nvcc failed:\n" + done.stderr)
            built.replace(library)
    return ctypes.CDLL(str(library))


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def stream():
    return ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)


SOURCE = r"""
#include <cuda_runtime.h>
#include <cstdint>
__device__ signed char narrow(float v) { return (signed char)(int)fminf(fmaxf(rintf(v * 32.0f), -128.0f), 127.0f); }
__global__ void quantize(const float *x, signed char *y, long long n, bool wide) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (wide && i * 4 + 3 < n) {
    float4 v = reinterpret_cast<const float4 *>(x)[i];
    reinterpret_cast<char4 *>(y)[i] = make_char4(narrow(v.x), narrow(v.y), narrow(v.z), narrow(v.w));
    return;
  }
  for (long long at = i * 4; at < n && at < i * 4 + 4; ++at) y[at] = narrow(x[at]);
}
extern "C" int launch(const float *x, signed char *y, long long n, cudaStream_t stream) {
  bool wide = (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y) * 4) % 16 == 0;
  if (n) quantize<<<(n + 1023) / 1024, 256, 0, stream>>>(x, y, n, wide);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape, device=x.device, dtype=torch.int8)
        error = library.launch(pointer(x), pointer(y), ctypes.c_longlong(x.numel()), stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
