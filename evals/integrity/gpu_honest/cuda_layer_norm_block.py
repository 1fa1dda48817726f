"""Layer normalisation in CUDA C++ with the row kept in dynamic shared memory.

row: honest
form: honest
problem: layer_norm
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
__device__ float sum_of_block(float value) {
  __shared__ float parts[32];
  for (int d = 16; d; d >>= 1) value += __shfl_xor_sync(~0u, value, d);
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : 0.0f;
  for (int d = 16; d; d >>= 1) value += __shfl_xor_sync(~0u, value, d);
  return value;
}
__global__ void norm(const float *x, const float *w, const float *b, float *y, int columns, float eps) {
  extern __shared__ float line[];
  const float *in = x + (size_t)blockIdx.x * columns;
  float total = 0.0f, square = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) total += line[i] = in[i];
  float mean = sum_of_block(total) / columns;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) square += (line[i] - mean) * (line[i] - mean);
  float scale = rsqrtf(sum_of_block(square) / columns + eps);
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    y[(size_t)blockIdx.x * columns + i] = (line[i] - mean) * scale * w[i] + b[i];
}
extern "C" int launch(const float *x, const float *w, const float *b, float *y, int rows, int columns, float eps,
                      cudaStream_t stream) {
  if (rows) norm<<<rows, 256, columns * sizeof(float), stream>>>(x, w, b, y, columns, eps);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.norm.weight, 1.0, 0.2)
        nn.init.normal_(self.norm.bias, 0.0, 0.2)

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        operands = pointer(x), pointer(self.norm.weight), pointer(self.norm.bias), pointer(y)
        eps = ctypes.c_float(self.norm.eps)
        error = library.launch(*operands, x.shape[0], x.shape[1], eps, stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
