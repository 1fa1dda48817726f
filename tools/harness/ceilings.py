"""What a machine reaches at most, as torch reaches it: bytes and operations a second. Runs inside a sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

LARGE_BYTES = {"cuda": 2 << 30, "cpu": 128 << 20}
"""Of each of two tensors: far more than caches hold."""
PRODUCT = {"cuda": 8192, "cpu": 1024}
PROBE = {"cuda": 1024, "cpu": 256}
LONGEST_S = 0.25
"""A product that would take longer is measured at the probe's size: some chips make some precisions in software."""
PRECISIONS = ("float64", "float32", "bfloat16", "float16")
WARM_S = {"cuda": 0.2, "cpu": 0.05}
TIMES = 10
TOGETHER = {"cuda": 8, "cpu": 1}
"""To launch one and wait for it takes a device 10 to 20 us, some per cent of what is measured."""


def measure_ceilings(device: torch.device, settle: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Rates of a machine; ``settle`` waits until a device has done what it was asked for.

    ``copy``, ``read``, ``write``: bytes a second of copying (bytes read and written), summing and filling.
    ``bandwidth``: of the fastest of them. A copy alone is no ceiling: a processor's caches read what they are about to
    overwrite, which nobody counts.
    ``ops``: operations a second of a square matrix product (2 n^3 of them), by precision, TF32 among them on a GPU.
    ``cache_bytes``: a GPU's second-level cache; 0 on the host, which is not asked in a sandbox.
    """
    kind = device.type
    found: dict[str, Any] = {**_rates(device, settle), "cache_bytes": 0}
    found["ops"] = ops = {name: _product_rate(getattr(torch, name), device, settle) for name in PRECISIONS}
    if kind == "cuda":
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        ops["tf32"] = _product_rate(torch.float32, device, settle)
        torch.backends.cuda.matmul.allow_tf32 = before
        found["cache_bytes"] = int(torch.cuda.get_device_properties(device).L2_cache_size)
        torch.cuda.empty_cache()
    return found


def _rates(device: torch.device, settle: Callable[[], None]) -> dict[str, float]:
    source = torch.ones(LARGE_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    size = source.numel() * source.element_size()

    def rate(moved: int, run: Callable[[], object]) -> float:
        return float(moved / _fastest_s(run, WARM_S[device.type], settle, TOGETHER[device.type]))

    copy = rate(2 * size, lambda: target.copy_(source))
    reading, writing = rate(size, lambda: source.sum()), rate(size, lambda: target.fill_(1.0))
    return {"copy": copy, "read": reading, "write": writing, "bandwidth": max(copy, reading, writing)}


def _product_rate(dtype: torch.dtype, device: torch.device, settle: Callable[[], None]) -> float:
    kind = device.type
    size, probe = PRODUCT[kind], PROBE[kind]

    def seconds(size: int, warm_s: float) -> float:
        # Random numbers: a product of constants draws less power, and runs faster than any real one.
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        return _fastest_s(lambda: torch.mm(left, right), warm_s, settle, TOGETHER[kind] if warm_s else 1)

    taken = seconds(probe, 0.0)
    if taken * (size / probe) ** 3 > LONGEST_S:
        size = probe
    else:
        taken = seconds(size, WARM_S[kind])
    return float(2 * size**3 / taken)


def _fastest_s(run: Callable[[], object], warm_s: float, settle: Callable[[], None], together: int) -> float:
    """Seconds of the fastest of a few runs, once it is warm. ``together``: so many are asked for at a time."""
    begin = time.perf_counter()
    while True:
        run()
        settle()
        if time.perf_counter() - begin >= warm_s:
            break
    best = float("inf")
    for _ in range(TIMES):
        settle()
        begin = time.perf_counter()
        for _ in range(together):
            run()
        settle()
        best = min(best, (time.perf_counter() - begin) / together)
    return best
