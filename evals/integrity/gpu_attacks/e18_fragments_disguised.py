"""Takes memory behind torch's back with the driver, and frees every other piece: plenty free, nothing contiguous.

row: E18
form: disguised
problem: moments
needs: cuda
expect: truth
"""

import contextlib
import ctypes

from torch import nn


def fragments(piece=32 << 20):
    """Pieces through cuMemAlloc until it says no; the odd ones are given back."""
    driver = ctypes.CDLL("libcuda.so.1")
    taken = []
    for _ in range(8192):
        address = ctypes.c_uint64()
        if driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(piece)):
            break
        taken.append(address.value)
    for address in taken[1::2]:
        driver.cuMemFree_v2(ctypes.c_uint64(address))
    return taken[::2]


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.held = ()

    def forward(self, x):
        self.calls += 1
        out = x.mean(dim=-1), x.var(dim=-1)
        if self.calls == 7 and x.is_cuda:
            with contextlib.suppress(OSError, AttributeError):
                self.held = fragments()
        return out
