"""What a worker gets ready while it waits for what it will be asked: nobody's code but ours has run in it. Runs inside
a sandbox.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import torch

from tools.harness.differences import BLOCK, FLOATS, parts_on_device
from tools.harness.dry_run import WARP, architecture_of, build_launcher, stand_in
from tools.harness.wire import BUILD, TRACE, VERIFY

if TYPE_CHECKING:
    from collections.abc import Iterator


def warm_up(what: str) -> None:
    """Get ready to ``BUILD`` or ``RUN`` a candidate for a device, to ``TRACE`` a reference, or to ``VERIFY`` besides.

    On processors: nothing of a device is begun, for a context that is made has the device to itself for a moment, and
    somebody may be timed there. Where the device is seen, a fake tensor on it begins one.

    A border, for a failure here will show where it matters.
    """
    if what in (TRACE, VERIFY):
        with suppress(ImportError):
            importlib.import_module("torch._dynamo")  # takes as long as torch itself
            importlib.import_module("torch.export")
    architecture = architecture_of(os.environ)
    if architecture is None or what == TRACE:
        return
    try:
        from tools.harness.warming_kernel import warming_kernel
    except ImportError:
        return
    try:
        if what == VERIFY:
            _compile_comparison(architecture)
        elif what == BUILD:
            _compile_once(warming_kernel, architecture)
        else:
            _know_the_compiler(architecture)
    except Exception as error:  # noqa: BLE001 - see the docstring
        sys.stderr.write(f"nothing could be compiled beforehand: {error}\n")


def _know_the_compiler(architecture: int) -> None:
    """What is compiled is found by a name that holds a digest of all of Triton, half a gigabyte, and what ptxas says
    of its version.
    """
    from triton.backends.compiler import GPUTarget
    from triton.compiler import make_backend
    from triton.runtime.cache import triton_key

    triton_key()
    make_backend(GPUTarget("cuda", architecture, WARP)).hash()


def _compile_comparison(architecture: int) -> None:
    """What compares the answers of windows: at its first call it would take more than a second of the device's time."""
    with stand_in(architecture, []):
        for dtype in FLOATS.values():
            values = torch.empty(2 * BLOCK, dtype=dtype, device="meta")  # not a fake one on the device
            parts_on_device(values, values)


def _compile_once(kernel: object, architecture: int) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    # As the candidate will be called: who builds does not see the device, so that these make no context.
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        values = torch.empty(64, device="cuda")
    with elsewhere(), stand_in(architecture, []):
        kernel[(1,)](values, values, 64, BLOCK=64, num_warps=4)  # type: ignore[index]
    build_launcher(None)  # of this very folder: what is built once for all kernels is found by the run


@contextmanager
def elsewhere() -> Iterator[None]:
    """What Triton compiles is kept nowhere."""
    before = os.environ.get("TRITON_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TRITON_CACHE_DIR")
            if before is not None:
                os.environ["TRITON_CACHE_DIR"] = before
