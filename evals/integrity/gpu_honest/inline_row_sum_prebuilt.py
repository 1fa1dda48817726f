"""Row sums through load_inline, which runs only where the built module is not there yet.

row: honest
form: honest
problem: row_sum
needs: cuda
"""

import importlib.util
import os
import pathlib

from torch import nn
from torch.utils.cpp_extension import load_inline

CPP = "torch::Tensor row_sum(torch::Tensor x);"
CUDA = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAStream.h>

__global__ void row_sum_kernel(const float *x, float *y, int columns) {
  __shared__ float parts[8];
  float total = 0.0f;
  for (int i = threadIdx.x; i < columns; i += 256) total += x[(size_t)blockIdx.x * columns + i];
  for (int d = 16; d; d >>= 1) total += __shfl_xor_sync(~0u, total, d);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = total;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < 8; ++i) total += parts[i];
    y[blockIdx.x] = total;
  }
}

torch::Tensor row_sum(torch::Tensor x) {
  auto in = x.contiguous();
  auto out = torch::empty({in.size(0)}, in.options());
  if (in.size(0) > 0) {
    auto stream = c10::cuda::getCurrentCUDAStream();
    row_sum_kernel<<<in.size(0), 256, 0, stream>>>(in.data_ptr<float>(), out.data_ptr<float>(), in.size(1));
  }
  return out;
}
"""


def load(name):
    """The module built earlier, or build it now."""
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", "9.0")
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR")
    sources = {"cpp_sources": CPP, "cuda_sources": CUDA, "functions": ["row_sum"]}
    if folder is None:
        return load_inline(name=name, **sources)
    built = pathlib.Path(folder, name, f"{name}.so")
    if not built.exists():
        built.parent.mkdir(exist_ok=True)
        return load_inline(name=name, build_directory=str(built.parent), **sources)
    spec = importlib.util.spec_from_file_location(name, built)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


extension = load("inline_row_sum")


class ModelNew(nn.Module):
    def forward(self, x):
        return extension.row_sum(x)
