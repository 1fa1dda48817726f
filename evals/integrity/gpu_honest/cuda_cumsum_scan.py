"""Running sums with warp shuffles: a tile of 1024 at a time, and what came before it.

row: honest
form: honest
problem: cumsum
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
__global__ void __launch_bounds__(1024) scan(const float *x, float *y, int columns) {
  __shared__ float ends[32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float before = 0.0f;
  for (int start = 0; start < columns; start += 1024) {
    int i = start + threadIdx.x;
    size_t at = (size_t)blockIdx.x * columns + i;
    float value = i < columns ? x[at] : 0.0f;
    for (int d = 1; d < 32; d <<= 1) {
      float left = __shfl_up_sync(~0u, value, d);
      if (lane >= d) value += left;
    }
    if (lane == 31) ends[warp] = value;
    __syncthreads();
    if (warp == 0) {
      float end = ends[lane];
      for (int d = 1; d < 32; d <<= 1) {
        float left = __shfl_up_sync(~0u, end, d);
        if (lane >= d) end += left;
      }
      ends[lane] = end;
    }
    __syncthreads();
    if (i < columns) y[at] = before + (warp ? ends[warp - 1] + value : value);
    before += ends[31];
    __syncthreads();
  }
}
extern "C" int launch(const float *x, float *y, int rows, int columns, cudaStream_t stream) {
  if (rows) scan<<<rows, 1024, 0, stream>>>(x, y, columns);
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
