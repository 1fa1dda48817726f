"""Row sums with 16-byte loads where the address allows them, one warp a row.

row: honest
form: honest
problem: row_sum
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
__global__ void row_sum(const float *x, float *y, int rows, int columns, bool wide) {
  int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  const float *in = x + (size_t)row * columns;
  float total = 0.0f;
  if (wide) {
    const float4 *in4 = reinterpret_cast<const float4 *>(in);
    for (int i = lane; i < columns / 4; i += 32) {
      float4 v = in4[i];
      total += (v.x + v.y) + (v.z + v.w);
    }
  } else {
    for (int i = lane; i < columns; i += 32) total += in[i];
  }
  for (int d = 16; d; d >>= 1) total += __shfl_xor_sync(~0u, total, d);
  if (lane == 0) y[row] = total;
}
extern "C" int launch(const float *x, float *y, int rows, int columns, cudaStream_t stream) {
  bool wide = columns % 4 == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
  if (rows) row_sum<<<(rows + 3) / 4, 128, 0, stream>>>(x, y, rows, columns, wide);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = x.new_empty(x.shape[0])
        error = library.launch(pointer(x), pointer(y), x.shape[0], x.shape[1], stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
