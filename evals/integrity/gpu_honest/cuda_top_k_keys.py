"""The eight largest of a row: numbers become ordered 64-bit keys in shared memory, and eight maxima are taken.

row: honest
form: honest
problem: top_k
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
typedef unsigned long long Key;
__device__ Key larger(Key a, Key b) { return a > b ? a : b; }
__global__ void top_k(const float *x, float *values, long long *positions, int columns, int k) {
  extern __shared__ Key keys[];
  __shared__ Key parts[32];
  const float *in = x + (size_t)blockIdx.x * columns;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    float v = in[i];
    unsigned bits = v == 0.0f ? 0u : __float_as_uint(v);
    unsigned order = v != v ? ~0u : bits >> 31 ? ~bits : bits | 0x80000000u;  // NaN is the largest
    keys[i] = (Key)order << 32 | (unsigned)~i;  // the first among equals
  }
  for (int turn = 0; turn < k; ++turn) {
    __syncthreads();
    Key best = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) best = larger(best, keys[i]);
    for (int d = 16; d; d >>= 1) best = larger(best, __shfl_xor_sync(~0u, best, d));
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = best;
    __syncthreads();
    for (int i = 0; i < blockDim.x / 32; ++i) best = larger(best, parts[i]);
    if (threadIdx.x == 0) {
      int where = ~(unsigned)best;
      values[(size_t)blockIdx.x * k + turn] = in[where];
      positions[(size_t)blockIdx.x * k + turn] = where;
      keys[where] = 0;
    }
  }
}
extern "C" int launch(const float *x, float *values, long long *positions, int rows, int columns, int k,
                      cudaStream_t stream) {
  if (rows) top_k<<<rows, 256, columns * sizeof(Key), stream>>>(x, values, positions, columns, k);
  return cudaGetLastError();
}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        if not 8 <= columns <= 4096:
            return tuple(torch.topk(x, 8, dim=-1))
        values = x.new_empty(rows, 8)
        positions = torch.empty(rows, 8, device=x.device, dtype=torch.int64)
        error = library.launch(pointer(x), pointer(values), pointer(positions), rows, columns, 8, stream())
        if error:
            raise RuntimeError(f"CUDA error {error}")
        return values, positions
