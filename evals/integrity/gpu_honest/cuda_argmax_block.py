"""Largest element of a row by ordered 64-bit keys: the first among equals, NaN the largest of all.

row: honest
form: honest
problem: argmax
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
typedef unsigned long long Key;
__device__ Key larger(Key a, Key b) { return a > b ? a : b; }
__global__ void argmax(const float *x, long long *y, int columns) {
  __shared__ Key parts[8];
  Key best = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    float v = x[(size_t)blockIdx.x * columns + i];
    unsigned bits = v == 0.0f ? 0u : __float_as_uint(v);
    unsigned order = v != v ? ~0u : bits >> 31 ? ~bits : bits | 0x80000000u;
    best = larger(best, (Key)order << 32 | (unsigned)~i);
  }
  for (int d = 16; d; d >>= 1) best = larger(best, __shfl_xor_sync(~0u, best, d));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < 8; ++i) best = larger(best, parts[i]);
    y[blockIdx.x] = ~(unsigned)best;
  }
}
extern "C" int launch(const float *x, long long *y, int rows, int columns, cudaStream_t stream) {
  if (rows) argmax<<<rows, 256, 0, stream>>>(x, y, columns);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape[0], device=x.device, dtype=torch.int64)
        error = library.launch(pointer(x), pointer(y), x.shape[0], x.shape[1], stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
