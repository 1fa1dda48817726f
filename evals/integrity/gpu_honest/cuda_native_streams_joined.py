"""Mean and variance on two native streams that wait for the caller's stream, and which it waits for.

row: honest
form: honest
problem: moments
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
  __shared__ float parts[8];
  for (int d = 16; d; d >>= 1) value += __shfl_xor_sync(~0u, value, d);
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0.0f;
  for (int i = 0; i < 8; ++i) value += parts[i];
  return value;
}
__device__ float mean_of_row(const float *in, int columns) {
  float total = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) total += in[i];
  return sum_of_block(total) / columns;
}
__global__ void means(const float *x, float *y, int columns) {
  float mean = mean_of_row(x + (size_t)blockIdx.x * columns, columns);
  if (threadIdx.x == 0) y[blockIdx.x] = mean;
}
__global__ void variances(const float *x, float *y, int columns) {
  const float *in = x + (size_t)blockIdx.x * columns;
  float mean = mean_of_row(in, columns), square = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) square += (in[i] - mean) * (in[i] - mean);
  square = sum_of_block(square);
  if (threadIdx.x == 0) y[blockIdx.x] = square / (columns - 1);
}
extern "C" int launch(const float *x, float *mean, float *var, int rows, int columns, cudaStream_t stream) {
  static cudaStream_t lanes[2];
  static cudaEvent_t begun, done[2];
  if (!begun) {
    for (int i = 0; i < 2; ++i) {
      cudaStreamCreateWithFlags(&lanes[i], cudaStreamNonBlocking);
      cudaEventCreateWithFlags(&done[i], cudaEventDisableTiming);
    }
    cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
  }
  if (!rows) return 0;
  cudaEventRecord(begun, stream);
  for (int i = 0; i < 2; ++i) cudaStreamWaitEvent(lanes[i], begun, 0);
  means<<<rows, 256, 0, lanes[0]>>>(x, mean, columns);
  variances<<<rows, 256, 0, lanes[1]>>>(x, var, columns);
  for (int i = 0; i < 2; ++i) {
    cudaEventRecord(done[i], lanes[i]);
    cudaStreamWaitEvent(stream, done[i], 0);
  }
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        mean, var = x.new_empty(x.shape[0]), x.new_empty(x.shape[0])
        error = library.launch(pointer(x), pointer(mean), pointer(var), x.shape[0], x.shape[1], stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return mean, var
