"""Reads the transposed input along its memory and turns it in shared memory.

row: honest
form: honest
problem: transpose_add
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
constexpr int TILE = 32, LINES = 8;
__global__ void add(const float *a, const float *b, float *y, int rows, int columns, long long pitch) {
  __shared__ float tile[TILE][TILE + 1];
  int row = blockIdx.y * TILE, column = blockIdx.x * TILE;
  for (int i = threadIdx.y; i < TILE; i += LINES)
    if (row + threadIdx.x < rows && column + i < columns)
      tile[i][threadIdx.x] = a[(column + i) * pitch + row + threadIdx.x];
  __syncthreads();
  for (int i = threadIdx.y; i < TILE; i += LINES)
    if (row + i < rows && column + threadIdx.x < columns) {
      size_t at = (size_t)(row + i) * columns + column + threadIdx.x;
      y[at] = tile[threadIdx.x][i] + b[at];
    }
}
extern "C" int launch(const float *a, const float *b, float *y, int rows, int columns, long long pitch,
                      cudaStream_t stream) {
  dim3 grid((columns + TILE - 1) / TILE, (rows + TILE - 1) / TILE);
  if (rows && columns) add<<<grid, dim3(TILE, LINES), 0, stream>>>(a, b, y, rows, columns, pitch);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, a, b):
        if a.stride(0) != 1:
            a = a.t().contiguous().t()
        b = b.contiguous()
        y = torch.empty(a.shape, device=a.device, dtype=a.dtype)
        pitch = ctypes.c_longlong(a.stride(1))
        error = library.launch(pointer(a), pointer(b), pointer(y), a.shape[0], a.shape[1], pitch, stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
