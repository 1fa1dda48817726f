"""The matrix product from the textbook: square tiles in shared memory.

row: honest
form: honest
problem: matmul
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
constexpr int TILE = 16;
__global__ void product(const float *a, const float *b, float *c, int m, int n, int k) {
  __shared__ float left[TILE][TILE], right[TILE][TILE];
  int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
  float total = 0.0f;
  for (int start = 0; start < k; start += TILE) {
    int at = start + threadIdx.x, below = start + threadIdx.y;
    left[threadIdx.y][threadIdx.x] = row < m && at < k ? a[(size_t)row * k + at] : 0.0f;
    right[threadIdx.y][threadIdx.x] = below < k && column < n ? b[(size_t)below * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < TILE; ++i) total = fmaf(left[threadIdx.y][i], right[i][threadIdx.x], total);
    __syncthreads();
  }
  if (row < m && column < n) c[(size_t)row * n + column] = total;
}
extern "C" int launch(const float *a, const float *b, float *c, int m, int n, int k, cudaStream_t stream) {
  dim3 grid((n + TILE - 1) / TILE, (m + TILE - 1) / TILE);
  if (m && n) product<<<grid, dim3(TILE, TILE), 0, stream>>>(a, b, c, m, n, k);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, a, b):
        a, b = a.contiguous(), b.contiguous()
        m, k, n = a.shape[0], a.shape[1], b.shape[1]
        c = torch.empty((m, n), device=a.device, dtype=a.dtype)
        error = library.launch(pointer(a), pointer(b), pointer(c), m, n, k, stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return c
