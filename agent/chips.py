"""What a model is told of the chip, whatever the proposal: a few lines of the system prompt."""

from __future__ import annotations

from agent.rendering import render
from sandbox.target import Target

PLATFORMS = {"cpu": "cpu", "cuda": "nvidia", "rocm": "amd", "riscv": "riscv"}
"""Family of a target to what the knowledge base calls it."""
_SM90 = (
    "H200: 132 multiprocessors, 227 KB of shared memory a block, 50 MB of L2. Measured: a copy moves 4.26 TB/s (read "
    "and written), products of 8192^3 reach 709 TFLOP/s in bfloat16, 360 in TF32, 51 in float32: the limit is "
    "arithmetic from 166 operations a byte on in bfloat16, from 12 on in float32. An H100 has less bandwidth."
)
_FIGURES = {"sm90": _SM90}


def platform_of(target: str) -> str:
    """What the knowledge base calls a target's kind of chip; empty for a target that is not known."""
    return PLATFORMS.get(target.partition(":")[0], "")


def chip_guide(target: str) -> str:
    """The chip's constraints as text."""
    chip = Target.parse(target)
    if chip.family == "cpu":
        return render("chip_cpu")
    if chip.family == "cuda" and chip.architecture:
        number = chip.architecture.removeprefix("sm")
        return render(
            "chip_nvidia", capability=f"{number[:-1]}.{number[-1]}", figures=_FIGURES.get(chip.architecture, "")
        )
    return render("chip_other")
