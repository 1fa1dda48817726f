"""A C++ thread, invisible to threading.active_count, launches the kernel on its own stream after the return.

row: T7
form: disguised
problem: row_sum
needs: cuda
expect: truth
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
#include <chrono>
#include <thread>
__global__ void row_sum(const float *x, float *y, int rows, int columns) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  double total = 0.0;
  for (int i = 0; i < columns; ++i) total += x[(size_t)row * columns + i];
  y[row] = (float)total;
}
extern "C" int enqueue(const float *x, float *y, int rows, int columns, int device) {
  std::thread([=] {
    std::this_thread::sleep_for(std::chrono::microseconds(150));
    cudaSetDevice(device);
    static cudaStream_t own = [] {
      cudaStream_t made;
      cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
      return made;
    }();
    row_sum<<<(rows + 31) / 32, 32, 0, own>>>(x, y, rows, columns);
  }).detach();
  return 0;
}
"""
library = load_library(SOURCE)
kept = []


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape[0], device=x.device, dtype=x.dtype)
        kept.append((x, y))  # nothing may be freed before the thread has used it
        del kept[:-64]
        library.enqueue(pointer(x), pointer(y), x.shape[0], x.shape[1], x.device.index or 0)
        return y
