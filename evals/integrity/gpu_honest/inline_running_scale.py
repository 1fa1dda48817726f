"""Three elementwise operators in one kernel, through load_inline with optimisation flags.

row: honest
form: honest
problem: running_scale
needs: cuda
"""

import torch
from torch import nn
from torch.utils.cpp_extension import load_inline

CPP = "torch::Tensor scale_add(torch::Tensor x, torch::Tensor scale, torch::Tensor gain);"
CUDA = r"""
#include <torch/extension.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

__global__ void scale_add_kernel(const float *x, const float *s, const float *g, float *y, int64_t n, int64_t width) {
  for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x)
    y[i] = x[i] * s[i % width] * g[i % width] + x[i];
}

torch::Tensor scale_add(torch::Tensor x, torch::Tensor scale, torch::Tensor gain) {
  TORCH_CHECK(x.is_cuda() && x.scalar_type() == torch::kFloat, "a float tensor on a GPU is needed");
  auto in = x.contiguous();
  auto out = torch::empty_like(in);
  if (in.numel() > 0) {
    auto stream = c10::cuda::getCurrentCUDAStream();
    scale_add_kernel<<<1024, 256, 0, stream>>>(in.data_ptr<float>(), scale.data_ptr<float>(), gain.data_ptr<float>(),
                                               out.data_ptr<float>(), in.numel(), scale.numel());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return out;
}
"""
extension = load_inline(
    name="inline_running_scale",
    cpp_sources=CPP,
    cuda_sources=CUDA,
    functions=["scale_add"],
    extra_cuda_cflags=["-O3"],
)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return extension.scale_add(x, self.scale, self.gain)
