"""kernelwright makes PyTorch operators fast: the public API.

>>> import kernelwright
>>> outcome = kernelwright.optimize("softmax.py", max_seconds=60)
>>> verdict = kernelwright.evaluate("softmax.py", "candidate.py")

Everything here is imported on first use, so that ``import kernelwright`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelwright.api import evaluate, evaluate_async, optimize, optimize_async, resume, resume_async

    __version__: str

__all__ = ["__version__", "evaluate", "evaluate_async", "optimize", "optimize_async", "resume", "resume_async"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("kernelwright")
        except PackageNotFoundError:  # run from a checkout that was never installed
            return "unknown"
    if name in __all__:
        from kernelwright import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
