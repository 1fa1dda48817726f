"""Kinds of sources, by what stands in their text."""

from __future__ import annotations

import pytest

from tools.candidate import Candidate
from tools.traits import traits

TRITON = "@triton.jit\ndef k(x, N: tl.constexpr):\n    i = tl.program_id(0)\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class ModelNew: ...", (0, 0, 0, 0)),
        (TRITON, (0, 0, 1, 1)),
        (TRITON + "    acc += tl.dot(a, b)\n    BLOCK_M = 64\n", (2, 3, 1, 1)),
        (TRITON + "k[grid](x, num_warps=8, num_stages=4)\n", (3, 0, 2, 1)),
        ("__global__ void f() { __shared__ float t[32]; atomicAdd(t, threadIdx.x); }", (2, 0, 3, 1)),
        ("static void k0(float* x) {}\nstatic void k1() {}\n#pragma omp parallel for\n_mm256_fmadd_ps", (0, 1, 1, 2)),
        ("static void k0() {}\n" * 9 + "_mm512_stream_ps", (1, 0, 0, 3)),
        ("torch.addmm(a, b, c)", (0, 2, 0, 0)),
    ],
)
def test_kinds(source: str, expected: tuple[int, ...]) -> None:
    assert traits(Candidate(source=source)) == expected
