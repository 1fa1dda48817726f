"""What a candidate's source does about memory, arithmetic and parallelism: three small numbers from its text.

They sort candidates into kinds, so that a search can keep one good kernel of each kind instead of many that
are nearly alike; they say nothing of how good one is. The three axes are those in which people speak of
kernels; that a text is read and not understood is enough for sorting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tools.candidate import Candidate

Rule = tuple[int, re.Pattern[str]]
"""A level, and what in a text speaks for it."""


def _rules(*rows: tuple[int, str]) -> tuple[Rule, ...]:
    return tuple((level, re.compile(pattern)) for level, pattern in rows)


MEMORY = _rules(
    (3, r"cp\.async|memcpy_async|\btma\b|TensorDescriptor|make_tensor_descriptor|num_stages\s*=\s*[3-9]|_mm_prefetch"),
    (2, r"__shared__|\btile\w*\s*=|\bTILE\w*|BLOCK_[MNK]\b|alignas|thread_local"),
    (
        1,
        r"float4|half2|_mm(?:256|512)?_(?:load|store|stream)|__builtin_nontemporal|reinterpret_cast|vector_size|tl\.multiple_of",
    ),
)
"""0 plain accesses, 1 wide ones, 2 tiles kept close, 3 fetched ahead."""
COMPUTE = _rules(
    (3, r"\btl\.dot\b|wmma|\bmma\.|wgmma|_mm512_dpbf16"),
    (2, r"torch\.\w*mm\b|torch\.matmul|F\.linear|at::(?:mm|matmul|addmm)|cblas_"),
    (1, r"fast_math|-Ofast|__expf|_fmadd_|\bfmaf?\(|fast=1|exp2"),
)
"""0 as written, 1 shorter or fused arithmetic, 2 a library's matrix products, 3 matrix units of its own."""
PARALLEL = _rules(
    (3, r"\batomic\w*|tl\.atomic|cooperative_groups|grid\.sync|split[-_]?k\b|split=1"),
    (2, r"__shfl|tl\.associative_scan|warp_?reduce|num_warps\s*=\s*(?:8|16)|#pragma omp simd|collapse\("),
    (1, r"#pragma omp|at::parallel_for|std::thread|num_warps|threadIdx|tl\.program_id"),
)
"""0 one thread, 1 blocks side by side, 2 within a block too, 3 parts of one result put together."""

_KERNELS = re.compile(r"@triton\.jit|__global__\s|^(?:static |extern \"C\" )?void \w+\s*\(", re.MULTILINE)
MANY_KERNELS = 3


def traits(candidate: Candidate) -> tuple[int, int, int, int]:
    """Memory, compute and parallel levels from 0 to 3; then kernels: 0 for none, 1, 2, 3 for more."""
    text = candidate.source
    kernels = min(len(_KERNELS.findall(text)), MANY_KERNELS)
    return _level(MEMORY, text), _level(COMPUTE, text), _level(PARALLEL, text), kernels


def _level(rules: Sequence[Rule], text: str) -> int:
    return next((level for level, pattern in rules if pattern.search(text)), 0)
