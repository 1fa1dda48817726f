"""Candidates for a GPU that benchmarks judge: honest, plain, one in each way people write them."""

from __future__ import annotations

from tools.languages.cuda import LOADER

TRITON_GELU = """
import torch
import triton
import triton.language as tl


@triton.jit
def gelu_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    u = 0.7978845608028654 * (x + 0.044715 * x * x * x)
    # tanh(u) = 1 - 2 / (exp(2u) + 1), which is right where exp overflows too
    tanh = 1.0 - 2.0 / (tl.exp(2.0 * u) + 1.0)
    tl.store(y_ptr + at, 0.5 * x * (1.0 + tanh), mask=at < n)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        n = x.numel()
        if n:
            gelu_kernel[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024, num_warps=4)
        return y
"""

TRITON_SOFTMAX = """
import torch
import triton
import triton.language as tl


@triton.jit
def softmax_kernel(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * columns
    lanes = tl.arange(0, BLOCK)
    top = tl.full([BLOCK], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + lanes
        x = tl.load(x_ptr + row + at, mask=at < columns, other=-float("inf"))
        higher = tl.where(x > top, x, top)
        safe = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(top - safe) + tl.exp(x - safe)
        top = higher
    peak = tl.max(top, 0)
    peak = tl.where(peak == -float("inf"), 0.0, peak)
    whole = tl.sum(total * tl.exp(top - peak), 0)
    for start in range(0, columns, BLOCK):
        at = start + lanes
        x = tl.load(x_ptr + row + at, mask=at < columns, other=0.0)
        tl.store(y_ptr + row + at, tl.exp(x - peak) / whole, mask=at < columns)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        columns = x.shape[-1]
        if x.numel():
            softmax_kernel[(x.numel() // columns,)](x, y, columns, BLOCK=4096, num_warps=8)
        return y
"""

CUTE_SOFTMAX = """
import cuda.bindings.driver as cuda
import cutlass
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import make_fake_stream, make_ptr

THREADS, WARPS = 512, 16


@cute.jit
def of_all(value: cutlass.Float32, reducer: cutlass.Constexpr, parts: cute.Tensor):
    # what all threads of the block have, reduced; the same in each
    thread, _, _ = cute.arch.thread_idx()
    value = cute.arch.warp_reduction(value, reducer)
    cute.arch.sync_threads()
    if thread % 32 == 0:
        parts[thread // 32] = value
    cute.arch.sync_threads()
    return cute.arch.warp_reduction(parts[thread % WARPS], reducer, threads_in_group=WARPS)


@cute.kernel
def softmax_kernel(x: cute.Tensor, y: cute.Tensor, columns: cutlass.Int32):
    thread, _, _ = cute.arch.thread_idx()
    row, _, _ = cute.arch.block_idx()
    parts = cutlass.memory.SmemAllocator().allocate_tensor(cutlass.Float32, cute.make_layout(WARPS))
    x, y = x[row, None], y[row, None]
    top = -cutlass.Float32.inf
    for i in cutlass.range(thread, columns, THREADS, unroll=4):
        top = cute.arch.fmax(top, x[i])  # forgets NaN, which the sum does not
    top = of_all(top, cute.arch.fmax, parts)
    total = cutlass.Float32(0.0)
    for i in cutlass.range(thread, columns, THREADS, unroll=4):
        total += cute.math.exp(x[i] - top)
    total = of_all(total, lambda a, b: a + b, parts)
    for i in cutlass.range(thread, columns, THREADS, unroll=4):
        y[i] = cute.math.exp(x[i] - top) / total


@cute.jit
def softmax(x: cute.Pointer, y: cute.Pointer, rows: cutlass.Int32, columns: cutlass.Int32, stream: cuda.CUstream):
    layout = cute.make_layout((rows, columns), stride=(cutlass.Int64(columns), 1))
    x, y = cute.make_tensor(x, layout), cute.make_tensor(y, layout)
    softmax_kernel(x, y, columns).launch(grid=[rows, 1, 1], block=[THREADS, 1, 1], stream=stream)


def pointer(address):
    return make_ptr(cutlass.Float32, address, cute.AddressSpace.gmem, assumed_align=4)


compiled = cute.compile(softmax, pointer(16), pointer(16), 1, 1, make_fake_stream())


class ModelNew(torch.nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        columns = x.shape[-1]
        if x.numel():
            stream = cuda.CUstream(torch.cuda.current_stream().cuda_stream)
            compiled(pointer(x.data_ptr()), pointer(y.data_ptr()), x.numel() // columns, columns, stream)
        return y
"""

CUDA_RELU = f'''
import torch
{LOADER}
SOURCE = r"""
#include <cstdint>
__global__ void relu_kernel(const float4 *x, float4 *y, int64_t n) {{
  int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float4 v = x[i];
  v.x = v.x < 0.0f ? 0.0f : v.x;
  v.y = v.y < 0.0f ? 0.0f : v.y;
  v.z = v.z < 0.0f ? 0.0f : v.z;
  v.w = v.w < 0.0f ? 0.0f : v.w;
  y[i] = v;
}}
__global__ void rest_kernel(const float *x, float *y, int64_t n) {{
  int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}}
extern "C" int relu(const float *x, float *y, int64_t n, cudaStream_t stream) {{
  bool wide = ((uintptr_t)x | (uintptr_t)y) % 16 == 0;
  int64_t fours = wide ? n / 4 : 0, rest = n - 4 * fours;
  if (fours) relu_kernel<<<(fours + 255) / 256, 256, 0, stream>>>((const float4 *)x, (float4 *)y, fours);
  if (rest) rest_kernel<<<(rest + 255) / 256, 256, 0, stream>>>(x + 4 * fours, y + 4 * fours, rest);
  return (int)cudaGetLastError();
}}
"""
library = load_library(SOURCE)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        pointer, stream = ctypes.c_void_p, torch.cuda.current_stream().cuda_stream
        error = library.relu(pointer(x.data_ptr()), pointer(y.data_ptr()), ctypes.c_int64(x.numel()), pointer(stream))
        if error:
            raise RuntimeError(f"CUDA error {{error}}")
        return y
'''

INLINE_RELU = '''
import torch
from torch.utils.cpp_extension import load_inline

SOURCE = """
#include <torch/extension.h>
#include <ATen/cuda/CUDAContext.h>
__global__ void relu_kernel(const float *x, float *y, int64_t n) {
  int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}
torch::Tensor relu(torch::Tensor x) {
  x = x.contiguous();
  auto y = torch::empty_like(x);
  int64_t n = x.numel();
  auto stream = at::cuda::getCurrentCUDAStream();
  if (n) relu_kernel<<<(n + 255) / 256, 256, 0, stream>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
"""
module = load_inline("relu", "torch::Tensor relu(torch::Tensor x);", SOURCE, functions=["relu"])


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.relu(x)
'''
