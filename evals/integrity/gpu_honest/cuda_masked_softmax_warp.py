"""Mask and softmax, one warp a row; a row without a visible score becomes NaN, as in the reference.

row: honest
form: honest
problem: masked_softmax
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
__global__ void softmax(const float *x, const unsigned char *hidden, float *y, int rows, int columns) {
  int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  size_t base = (size_t)row * columns;
  float top = -INFINITY, total = 0.0f;
  for (int i = lane; i < columns; i += 32)
    if (!hidden[base + i]) top = fmaxf(top, x[base + i]);
  for (int d = 16; d; d >>= 1) top = fmaxf(top, __shfl_xor_sync(~0u, top, d));
  for (int i = lane; i < columns; i += 32) total += expf((hidden[base + i] ? -INFINITY : x[base + i]) - top);
  for (int d = 16; d; d >>= 1) total += __shfl_xor_sync(~0u, total, d);
  for (int i = lane; i < columns; i += 32)
    y[base + i] = expf((hidden[base + i] ? -INFINITY : x[base + i]) - top) / total;
}
extern "C" int launch(const float *x, const unsigned char *hidden, float *y, int rows, int columns,
                      cudaStream_t stream) {
  if (rows) softmax<<<(rows + 3) / 4, 128, 0, stream>>>(x, hidden, y, rows, columns);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        scores = scores.contiguous()
        mask = mask.expand_as(scores).contiguous()
        y = torch.empty_like(scores)
        operands = pointer(scores), pointer(mask), pointer(y)
        error = library.launch(*operands, scores.shape[0], scores.shape[1], stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return y
