"""Rows added up with atomicAdd on floats: the order, and so the last bits, differ from call to call.

row: honest
form: honest
problem: segment_sum
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
__global__ void add(const float *rows, const long long *index, float *out, int width) {
  long long target = index[blockIdx.x];
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    atomicAdd(out + target * width + i, rows[(long long)blockIdx.x * width + i]);
}
extern "C" int launch(const float *rows, const long long *index, float *out, int count, int width, int segments,
                      cudaStream_t stream) {
  cudaMemsetAsync(out, 0, (size_t)segments * width * sizeof(float), stream);
  if (count) add<<<count, 256, 0, stream>>>(rows, index, out, width);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, rows, index):
        rows, index = rows.contiguous(), index.contiguous()
        out = torch.empty(256, rows.shape[1], device=rows.device, dtype=rows.dtype)
        operands = pointer(rows), pointer(index), pointer(out)
        error = library.launch(*operands, rows.shape[0], rows.shape[1], 256, stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return out
