"""x * sigmoid(x) through load_inline, in the way most tutorials do it.

row: honest
form: honest
problem: swish
needs: cuda
"""

from torch import nn
from torch.utils.cpp_extension import load_inline

CPP = "torch::Tensor swish(torch::Tensor x);"
CUDA = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAStream.h>

__global__ void swish_kernel(const float *x, float *y, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] / (1.0f + expf(-x[i]));
}

torch::Tensor swish(torch::Tensor x) {
  auto in = x.contiguous();
  auto out = torch::empty_like(in);
  int64_t n = in.numel();
  if (n > 0) {
    auto stream = c10::cuda::getCurrentCUDAStream();
    swish_kernel<<<(n + 255) / 256, 256, 0, stream>>>(in.data_ptr<float>(), out.data_ptr<float>(), n);
  }
  return out;
}
"""
extension = load_inline(name="inline_swish", cpp_sources=CPP, cuda_sources=CUDA, functions=["swish"])


class ModelNew(nn.Module):
    def forward(self, x):
        return extension.swish(x)
