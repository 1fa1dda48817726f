"""What the KernelEvolve paper (arXiv 2512.23236, version 4) says of the kernels of the suite ``paper``.

Milliseconds where it has a table, else what its figures and text say. Measured on an H100 where a chip is named, over
torch.compile, but for conv1d, whose second ratio is over the same operator as a channels-last conv2d.
"""

from __future__ import annotations

CONV1D = "table 3, H100"
FM = "figure 14, H100, no milliseconds"
PFFN = "figure 15, H100, no milliseconds: 2.0-2.6x for B up to 256"
EVENTS = "table 8, chip not said"

THEIRS: dict[tuple[str, str], str] = {
    ("conv1d_fp16", ""): f"0.34243 ms, as conv2d 0.24106 ms, theirs 0.14864 ms: 2.30x, 1.62x ({CONV1D})",
    ("conv1d_fp32", ""): f"0.61411 ms, as conv2d 0.46384 ms, theirs 0.35594 ms: 1.73x, 1.30x ({CONV1D})",
    ("optimized_fm", "n24"): f"3.6-3.9x ({FM})",
    ("optimized_fm", "n40"): f"2.2-2.3x ({FM})",
    ("optimized_fm", "n48"): f"2.2-2.3x ({FM})",
    ("personalized_ffn", "n200_d256_k160"): f"1.2x at B = 1024 ({PFFN})",
    ("personalized_ffn", "n200_d192_k96"): f"1.2-1.4x from B = 512 on ({PFFN})",
    ("personalized_ffn", "n400_d256_k160"): f"1.2-1.4x from B = 512 on ({PFFN})",
    ("personalized_ffn", "n150_d96_k192"): f"1.2-1.4x from B = 512 on ({PFFN})",
    ("batch_event_truncate", "f5_keep100"): f"0.788 ms, theirs 0.571 ms: 1.4x ({EVENTS})",
    ("batch_event_truncate", "f9_keep200"): f"1.443 ms, theirs 0.148 ms: 9.8x ({EVENTS})",
    ("batch_event_truncate", "f32_keep100"): f"5.078 ms, theirs 2.548 ms: 2.0x ({EVENTS})",
    ("batch_event_truncate", "f32_keep200"): f"5.085 ms, theirs 0.350 ms: 14.5x ({EVENTS})",
}
"""By problem and case; problems with one case have the case ``""``."""


def theirs(problem: str, case: str) -> str:
    """What they say of a case; nothing of what is not theirs."""
    return THEIRS.get((problem, case)) or THEIRS.get((problem, ""), "")


def cases_of(problem: str) -> list[str]:
    """The cases they speak of."""
    return [case for name, case in THEIRS if name == problem]
