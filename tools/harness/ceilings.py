"""What a device reaches at most, as torch reaches it: bytes and operations a second. Runs inside a sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from tools.harness.device_memory import DeviceMemory

COPIED_BYTES = {"cuda": 2 << 30, "cpu": 128 << 20}
PRODUCT = {"cuda": 8192, "cpu": 1024}
PRODUCTS = ("float32", "bfloat16", "float16")
WARM_S, TIMES = 0.2, 10


def measure_ceilings(memory: DeviceMemory) -> dict[str, float]:
    """``bandwidth`` of a large copy (read and written), ``peak``: float32 operations a second of a square matrix
    product, and the same of other precisions by name.
    """
    kind = memory.device.type
    found = {"bandwidth": _copy_rate(memory)}
    for name in PRODUCTS if kind == "cuda" else PRODUCTS[:1]:
        found[name] = _product_rate(getattr(torch, name), memory)
    if kind == "cuda":
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        found["tf32"] = _product_rate(torch.float32, memory)
        torch.backends.cuda.matmul.allow_tf32 = before
        torch.cuda.empty_cache()
    return {**found, "peak": found["float32"]}


def _copy_rate(memory: DeviceMemory) -> float:
    source = torch.ones(COPIED_BYTES[memory.device.type] // 4, device=memory.device)
    target = torch.empty_like(source)
    seconds = _fastest_s(lambda: target.copy_(source), memory)
    return float(2 * 4 * int(source.numel()) / seconds)


def _product_rate(dtype: torch.dtype, memory: DeviceMemory) -> float:
    size = PRODUCT[memory.device.type]
    # Random numbers: a product of constants draws less power, and runs faster than any real one.
    left, right = (torch.randn(size, size, device=memory.device, dtype=dtype) for _ in range(2))
    return float(2 * size**3 / _fastest_s(lambda: torch.mm(left, right), memory))


def _fastest_s(run: Callable[[], object], memory: DeviceMemory) -> float:
    """Seconds of the fastest of a few runs, once it is warm."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < WARM_S:
        run()
        memory.settle()
    best = float("inf")
    for _ in range(TIMES):
        memory.settle()
        begin = time.perf_counter()
        run()
        memory.settle()
        best = min(best, time.perf_counter() - begin)
    return best
