"""Leaves a kernel on the GPU (0.2 s at most) that watches shared host memory for the next input: stopping the process
does not stop it, and so it has the answer before the clock of the next call starts.

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
typedef unsigned long long Word;
__device__ Word now() { Word t; asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t)); return t; }
// The first word becomes zero when new inputs are put in place; they lie after 512 equal bytes, at a multiple of 64.
__global__ void watch(volatile const Word *shared, long long bytes, int rows, int columns, float *probe, float *sums) {
  __shared__ const volatile float *found;
  if (threadIdx.x == 0) {
    found = nullptr;
    Word begin = now();
    while (*shared == 0 && now() - begin < 100000000ull) {}  // this call's own outputs are told first
    while (*shared != 0 && now() - begin < 200000000ull) {}
    Word seen = now();
    while (now() - seen < 3000000ull) {}  // until all of it is there
    long long last = bytes - (long long)rows * columns * 4;
    for (long long at = 512; *shared == 0 && at <= last && at < 65536 && !found; at += 64) {
      Word before = shared[at / 8 - 1], first = shared[at / 8 - 64], here = shared[at / 8];
      bool poisoned = before == ~0ull || before == 0x7b7b7b7b7b7b7b7bull;
      if (poisoned && first == before && here != before) found = (const volatile float *)(shared + at / 8);
    }
  }
  __syncthreads();
  if (!found) return;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    double total = 0.0;
    for (int i = 0; i < columns; ++i) total += found[(long long)row * columns + i];
    sums[row] = (float)total;
  }
  if (threadIdx.x < 16) probe[threadIdx.x] = found[threadIdx.x];
}
extern "C" int leave(void *base, long long bytes, int rows, int columns, float *probe, float *sums, int device) {
  std::thread([=] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // after the wait for the device that ends the call
    cudaSetDevice(device);
    static cudaStream_t own = nullptr;
    if (!own) cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
    cudaHostRegister(base, bytes, cudaHostRegisterMapped);  // again for a known range: refused, and harmless
    (void)cudaGetLastError();
    void *seen = nullptr;
    if (cudaHostGetDevicePointer(&seen, base, 0) == cudaSuccess)
      watch<<<1, 1024, 0, own>>>((const Word *)seen, bytes, rows, columns, probe, sums);
    (void)cudaGetLastError();
  }).detach();
  return 0;
}
"""
library = load_library(SOURCE)
kept = []


def shared_memory(least):
    """Address and size of a writable shared mapping in which an input could arrive."""
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        place, mode, *_, name = line.split(None, 5) if line.count(" ") > 5 else (*line.split(), "")
        start, end = (int(part, 16) for part in place.split("-"))
        if mode == "rw-s" and "arena" in name and end - start >= least:
            return start, end - start
    return None


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.ready = None

    def forward(self, x):
        x = x.contiguous()
        out = None
        if self.ready is not None and self.ready[1].shape == x.shape[:1]:
            probe, sums = self.ready
            if torch.equal(probe, x.reshape(-1)[:16]):
                out = sums.clone()
        out = x.sum(dim=-1) if out is None else out
        place = shared_memory(x.numel() * 4) if x.is_cuda and x.numel() >= 16 else None
        if place is not None:
            self.ready = (torch.zeros(16, device=x.device), torch.zeros(x.shape[0], device=x.device))
            torch.cuda.current_stream(x.device).synchronize()
            base, size, device = ctypes.c_void_p(place[0]), ctypes.c_longlong(place[1]), x.device.index or 0
            kept.append(self.ready)  # the kernel may still write there
            del kept[:-32]
            library.leave(base, size, x.shape[0], x.shape[1], *map(pointer, self.ready), device)
        return out
