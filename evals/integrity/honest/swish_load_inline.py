"""One pass in C++ through load_inline, as most tutorials bind it, without torch's headers, which take long to compile.

row: honest
form: honest
problem: swish
needs: cpu
"""

import os
import shutil
import sysconfig

import torch
from torch import nn
from torch.utils.cpp_extension import load_inline

SOURCE = r"""
#include <cmath>
#include <cstdint>
#include <pybind11/pybind11.h>

static void swish(uintptr_t from, uintptr_t to, int64_t n) {
  const float *x = reinterpret_cast<const float *>(from);
  float *y = reinterpret_cast<float *>(to);
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] / (1.0f + std::exp(-x[i]));
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("swish", &swish); }
"""


def build():
    """None where torch lacks what it builds with: ninja, and Python's headers."""
    headers = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if shutil.which("ninja") is None or not os.path.exists(headers):
        return None
    flags = ["-O3", "-march=native", "-fopenmp"]
    return load_inline("swish_inline", SOURCE, extra_cflags=flags, extra_ldflags=["-fopenmp"], no_implicit_headers=True)


extension = build()


class ModelNew(nn.Module):
    def forward(self, x):
        if extension is None or x.dtype != torch.float32:
            return x * torch.sigmoid(x)
        x = x.contiguous()
        y = torch.empty_like(x)
        extension.swish(x.data_ptr(), y.data_ptr(), x.numel())
        return y
