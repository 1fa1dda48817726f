"""One row times a large weight through load_inline, one warp an output, built once.

row: honest
form: honest
problem: matvec
needs: cuda
"""

import importlib.util
import os
import pathlib

from torch import nn
from torch.utils.cpp_extension import load_inline

CPP = "torch::Tensor matvec(torch::Tensor x, torch::Tensor weight);"
CUDA = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAStream.h>

__global__ void matvec_kernel(const float *x, const float *w, float *y, int n, int k) {
  int out = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (out >= n) return;
  const float *in = x + (size_t)blockIdx.y * k, *row = w + (size_t)out * k;
  float total = 0.0f;
  for (int i = lane; i < k; i += 32) total = fmaf(in[i], row[i], total);
  for (int d = 16; d; d >>= 1) total += __shfl_xor_sync(~0u, total, d);
  if (lane == 0) y[(size_t)blockIdx.y * n + out] = total;
}

torch::Tensor matvec(torch::Tensor x, torch::Tensor weight) {
  auto in = x.contiguous(), w = weight.contiguous();
  int rows = in.size(0), k = in.size(1), n = w.size(0);
  auto out = torch::empty({rows, n}, in.options());
  if (rows > 0) {
    dim3 grid((n + 3) / 4, rows);
    auto stream = c10::cuda::getCurrentCUDAStream();
    matvec_kernel<<<grid, 128, 0, stream>>>(in.data_ptr<float>(), w.data_ptr<float>(), out.data_ptr<float>(), n, k);
  }
  return out;
}
"""


def load(name):
    """The module built earlier, or build it now."""
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", "9.0")
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR")
    sources = {"cpp_sources": CPP, "cuda_sources": CUDA, "functions": ["matvec"]}
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


extension = load("inline_matvec")


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        return extension.matvec(x, self.linear.weight)
