"""Python's own compiled files of what workers import, made once where an installer left them out.

uv does by default, and images are often made so to be small. A sandboxed process cannot write them, the controller
never imports torch, and so every process of every judgement would compile thousands of files anew: those that import
torch and what torch.compile needs took 7 to 9 s to begin (docs/results/2026-11-29-gpu-third-look.md).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "triton", "sympy", "mpmath", "networkx", "numpy", "nvidia_cutlass_dsl")
"""What importing torch, tracing with it and building for it take thousands of files from."""
PATIENCE_S = 600.0


def uncompiled(packages: Sequence[str] = PACKAGES) -> list[Path]:
    """Folders of those that are installed beside this interpreter without compiled files; nothing is imported."""
    found = []
    for name in packages:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None and spec.has_location else None
        if origin is not None and not Path(importlib.util.cache_from_source(origin)).is_file():
            found.append(Path(origin).parent)
    return found


def compile_once(packages: Sequence[str] = PACKAGES) -> None:
    """Compile what is not, beside its sources as any import would. Where that cannot be written it stays as it is."""
    folders = [str(folder) for folder in uncompiled(packages) if os.access(folder, os.W_OK)]
    if folders:
        command = [sys.executable, "-m", "compileall", "-q", "-j", "0", *folders]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # What cannot be compiled, or not in time, is compiled when it is imported: slower, and nobody's failure.
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, **quiet, check=False, timeout=PATIENCE_S)
