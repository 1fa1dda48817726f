"""Softmax in CUDA C++, one block a row, the row in registers.

row: honest
form: honest
problem: softmax
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
struct Max { __device__ float operator()(float a, float b) const { return fmaxf(a, b); } };
struct Sum { __device__ float operator()(float a, float b) const { return a + b; } };
template <class Op> __device__ float reduce(float value, Op op, float neutral) {
  __shared__ float parts[32];
  for (int d = 16; d; d >>= 1) value = op(value, __shfl_xor_sync(~0u, value, d));
  __syncthreads();  // the parts of the reduction before have been read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : neutral;
  for (int d = 16; d; d >>= 1) value = op(value, __shfl_xor_sync(~0u, value, d));
  return value;
}
__global__ void softmax(const float *x, float *y, int columns) {
  const float *in = x + (size_t)blockIdx.x * columns;
  float *out = y + (size_t)blockIdx.x * columns;
  float top = -INFINITY, total = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) top = fmaxf(top, in[i]);
  top = reduce(top, Max(), -INFINITY);
  for (int i = threadIdx.x; i < columns; i += blockDim.x) total += expf(in[i] - top);
  total = reduce(total, Sum(), 0.0f);
  for (int i = threadIdx.x; i < columns; i += blockDim.x) out[i] = expf(in[i] - top) / total;
}
extern "C" int launch(const float *x, float *y, int rows, int columns, cudaStream_t stream) {
  if (rows) softmax<<<rows, 256, 0, stream>>>(x, y, columns);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        error = library.launch(pointer(x), pointer(y), x.shape[0], x.shape[1], stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
