"""SiLU of half-precision numbers, two at a time where the address allows it.

row: honest
form: honest
problem: half_silu
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
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <cstdint>
__device__ float silu(float v) { return v / (1.0f + expf(-v)); }
__global__ void pairs(const __half2 *x, __half2 *y, long long count) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= count) return;
  float2 v = __half22float2(x[i]);
  y[i] = __floats2half2_rn(silu(v.x), silu(v.y));
}
__global__ void singles(const __half *x, __half *y, long long count) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < count) y[i] = __float2half_rn(silu(__half2float(x[i])));
}
extern "C" int launch(const __half *x, __half *y, long long n, cudaStream_t stream) {
  if (!n) return 0;
  if (n % 2 == 0 && (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % 4 == 0)
    pairs<<<(n / 2 + 255) / 256, 256, 0, stream>>>((const __half2 *)x, (__half2 *)y, n / 2);
  else
    singles<<<(n + 255) / 256, 256, 0, stream>>>(x, y, n);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        error = library.launch(pointer(x), pointer(y), ctypes.c_longlong(x.numel()), stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
