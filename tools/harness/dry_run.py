"""Having kernels of Triton and CuTe DSL compiled on processors, for a GPU that is not there: the candidate is called,
and what it launches is compiled and not launched. Its tensors have shapes and no values. Runs inside the build's
sandbox.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from tools.harness import dry_run_cute
from tools.harness.cute_dsl import COMPILED
from tools.harness.tensors import decode

MAX_CONFIGURATIONS = 64
"""Of an autotuned kernel, that are compiled."""
WARP = 32


class _Absent:
    """Stands for the driver of a GPU that is not there."""

    def __init__(self, architecture: int) -> None:
        from triton.backends.compiler import GPUTarget

        self._target = GPUTarget("cuda", architecture, WARP)

    def get_current_target(self) -> Any:
        """What kernels are compiled for."""
        return self._target

    def get_current_device(self) -> int:
        """The first one."""
        return 0

    def set_current_device(self, device: int) -> None:
        """It is the only one."""

    def get_current_stream(self, device: int) -> int:
        """The default one."""
        return 0

    def get_device_interface(self) -> Any:
        """Of torch."""
        return torch.cuda

    def get_active_torch_device(self) -> torch.device:
        """Where tensors are."""
        return torch.device("cuda", 0)


def architecture_of(environment: Mapping[str, str]) -> int | None:
    """Of the GPU that kernels are for, 90 for ``sm_90``; None where there is none."""
    number = environment.get("KERNELWRIGHT_CUDA_ARCH", "").removeprefix("sm_")
    return int(number) if number.isdigit() else None


def compile_kernels(model: torch.nn.Module, forms: list[dict[str, Any]], source: str) -> str:
    """Call ``model`` on tensors of these forms; one line on what came of it.

    ``forms``: by case, ``spec`` and ``tensors`` as for a real call; ``source``: the candidate's text. A border: its
    code may raise anything, and does where it looks at values; then kernels are compiled when they are first launched.
    """
    architecture = architecture_of(os.environ)
    # What is loaded tells nothing: a worker that waits loads Triton beforehand.
    used = {name for name in ("triton", "cutlass") if name in source and name in sys.modules}
    if not used or architecture is None:
        return ""
    compiled: list[str] = []
    try:
        with stand_in(architecture, compiled) if "triton" in used else nullcontext():
            if "cutlass" in used:
                dry_run_cute.stand_in()
            for form in forms:
                _call(model, form)
    except BaseException as error:  # noqa: BLE001 - see the docstring
        text = " ".join(str(error).split())[:200]
        found = [*COMPILED, *compiled]
        return f"not all kernels could be compiled beforehand ({type(error).__name__}: {text}); compiled: {found}"
    return f"compiled for sm_{architecture}: {', '.join(dict.fromkeys([*COMPILED, *compiled])) or 'no kernels'}"


def _call(model: torch.nn.Module, form: dict[str, Any]) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        tensors = [
            torch.empty_strided(shape, stride, dtype=getattr(torch, dtype), device="cuda")
            for dtype, shape, stride, _ in form["tensors"]
        ]
        for module in model.modules():
            for table in (module._parameters, module._buffers):
                for name, value in table.items():
                    if value is None:
                        continue
                    moved = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
                    is_parameter = isinstance(value, torch.nn.Parameter)
                    table[name] = torch.nn.Parameter(moved, requires_grad=False) if is_parameter else moved
        model(*decode(form["spec"], tensors))


@contextmanager
def stand_in(architecture: int, compiled: list[str]) -> Iterator[None]:
    """Have launches compile, and nothing more; ``compiled`` gets the names of the kernels."""
    import triton
    from triton.runtime.autotuner import Autotuner
    from triton.runtime.jit import JITFunction, MockTensor

    driver, was_active = triton.runtime.driver, triton.runtime.driver._active
    driver.set_active(_Absent(architecture))
    run, tune = JITFunction.run, Autotuner.run

    def described(value: Any) -> Any:
        return MockTensor(value.dtype) if isinstance(value, torch.Tensor) else value

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        args = tuple(map(described, args))
        options = {name: described(value) for name, value in options.items()}
        found = run(self, *args, grid=grid, warmup=True, **options)
        compiled.append(str(self.__name__))
        build_launcher(found)
        return found

    def compile_all(self: Any, *args: Any, **options: Any) -> None:
        for configuration in self.configs[:MAX_CONFIGURATIONS]:
            self.fn.run(*args, **{**options, **configuration.all_kwargs(), "warmup": True})

    JITFunction.run, Autotuner.run = compile_only, compile_all
    try:
        yield
    finally:
        JITFunction.run, Autotuner.run = run, tune
        driver.set_active(was_active)  # not reset_active, which wants a device


def build_launcher(kernel: Any) -> None:
    """Have a C compiler make what launches a compiled ``kernel``, or without one what launches all of them: Triton
    does when it is first launched, in every process anew. A border: where no driver of a GPU is installed it cannot.
    """
    try:
        from triton.backends.nvidia import driver

        driver.CudaUtils()
        if kernel is not None:
            driver.CudaLauncher(kernel.src, kernel.metadata)
    except Exception:  # noqa: BLE001 - see the docstring
        return
