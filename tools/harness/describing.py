"""Facts about values, graphs and this machine, as plain JSON. Runs inside a sandbox."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tools.harness.backward import Plan
from tools.harness.faults import Fault, blamed_on
from tools.harness.operator_graph import GraphError, export_graph
from tools.harness.tensors import Leaves, dtype_name, encode
from tools.harness.values import duplicate
from tools.harness.wire import MAX_LEAVES, MAX_RANK

GIB, MIB = 1 << 30, 1 << 20
CACHES = {"L1d": 188, "L2": 191, "L3": 194}
"""glibc's numbers of their sizes (bits/confname.h); Python's os has no names for them."""
MAX_OPERATORS = 5000
"""More are not traced: that takes milliseconds for each of them, and nobody reads a loop that was unrolled."""


def describe_value(value: Any) -> Any:
    """A tensor as its facts, anything else as its ``repr``."""
    if not isinstance(value, torch.Tensor):
        return repr(value)[:200]
    return {"shape": list(value.shape), "dtype": dtype_name(value.dtype), "stride": list(value.stride())}


def require_room(case: str, call: Iterable[Any], state: Iterable[torch.Tensor], memory_bytes: int) -> None:
    """Raises Fault where two calls, each with its float64 copy, and the model do not fit. ``call``: what is known of
    a call's inputs and outputs.

    A window holds two calls at least, and a set is drawn, copied and answered in both precisions.
    """
    call = [value for value in call if isinstance(value, torch.Tensor)]
    once = sum(value.numel() * value.element_size() for value in call)
    needed = 2 * sum(map(_with_double, call)) + sum(map(_with_double, state))
    if needed > memory_bytes:
        raise Fault(
            f"case {case} is too large: a call's inputs and outputs are {once / GIB:.3g} GiB, two calls in both "
            f"precisions and the model {needed / GIB:.3g} GiB, and a job may use {memory_bytes / GIB:.3g} GiB: "
            "make its inputs smaller or raise the memory limit"
        )


def require_same_form(cases: dict[str, list[Any]], others: dict[str, list[Any]]) -> None:
    """Raises Fault where another draw differs in more than the values of its tensors.

    All else is known before a call is timed, and a baseline is compiled anew for it.
    """
    for name, inputs in cases.items():
        if _form(inputs) != _form(others.get(name)):
            raise Fault(
                f"case {name}: two draws of its inputs differ in more than the values of tensors (is a number or a "
                "shape drawn too?): make the number a constant or put it into a tensor, and fix the shape"
            )


def _form(inputs: Any) -> tuple[Any, ...]:
    tensors: list[torch.Tensor] = []
    return encode(inputs, tensors), [describe_value(tensor) for tensor in tensors]


def _with_double(tensor: torch.Tensor) -> int:
    """Bytes of a tensor and its copy in float64; what is not floating is copied as it is."""
    size = 16 if tensor.is_complex() else 8 if tensor.is_floating_point() else tensor.element_size()
    return int(tensor.numel() * (tensor.element_size() + size))


def graph_facts(model: torch.nn.Module, inputs: list[Any], plan: Plan | None = None) -> dict[str, Any]:
    """The operator graph of the module, or one line that says why there is none; with a backward there never is."""
    if plan is not None:
        forward = graph_facts(model, inputs[: -len(plan.outputs)])
        why = "the operator is judged with its backward, which is in no operator graph"
        return {"graph": None, "graph_error": why, "operators": [*forward["operators"], "backward"]}
    try:
        _require_short(model, inputs)
        graph = export_graph(model, inputs)
    except GraphError as error:
        return {"graph": None, "graph_error": str(error), "operators": []}
    return {"graph": graph, "graph_error": None, "operators": [str(node["op"]) for node in graph["nodes"]]}


class _Counter(TorchDispatchMode):  # type: ignore[misc]  # torch is unknown to mypy
    """Counts the operators that are carried out."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One more."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def _require_short(model: torch.nn.Module, inputs: list[Any]) -> None:
    """Raises GraphError for a module that a trace would take too long for. Running it costs far less than tracing."""
    with torch.no_grad(), blamed_on("forward()"), _Counter() as counter:
        model(*duplicate(inputs))
    if counter.count > MAX_OPERATORS:
        raise GraphError(f"forward() carries out {counter.count} operators: more than {MAX_OPERATORS} are not traced")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Processor, threads and torch, and the device if there is one."""
    table = Path("/proc/cpuinfo")
    told = _told(table.read_text(errors="replace")) if table.exists() else {}
    name = told.get("model name") or platform.processor() or platform.machine()
    return {
        "cpu": f"{name} ({torch.backends.cpu.get_cpu_capability()})",
        "hardware": ", ".join(filter(None, [*_caches(), _clock(told.get("cpu MHz", "")), _compiler()])),
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
    }


def _told(table: str) -> dict[str, str]:
    """Of the first processor."""
    first = table.partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _caches() -> list[str]:
    """What the C library knows of them, a core's or shared; nothing where it knows nothing."""
    found = []
    for name, number in CACHES.items():
        try:
            size = os.sysconf(number)
        except (OSError, ValueError):
            continue
        if size > 0:
            found.append(f"{name} {size / MIB:.3g} MiB" if size >= MIB else f"{name} {size // 1024} KiB")
    return found


def _clock(megahertz: str) -> str:
    try:
        return f"{float(megahertz) / 1000:.2g} GHz now"
    except ValueError:
        return ""


def _compiler() -> str:
    """The first line of what g++ says of itself; candidates in C++ are built with it."""
    try:
        said = subprocess.run(["g++", "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.partition("\n")[0].strip()[:80]


def require_usable(leaves: Leaves) -> None:
    """Raises Fault for an answer with which nothing can be compared."""
    tensors = [value for value in leaves if isinstance(value, torch.Tensor)]
    if not tensors:
        raise Fault("forward() returns no tensor: it must return a tensor, or a tuple, list or dict of them")
    if len(leaves) > MAX_LEAVES or any(value.dim() > MAX_RANK for value in tensors):
        raise Fault(f"forward() returns more than {MAX_LEAVES} tensors, or one of more than {MAX_RANK} dimensions")
    if any(value.numel() == 0 for value in tensors):
        raise Fault("forward() returns an empty tensor: there is nothing to compare; give it larger inputs")
    for value in tensors:
        if not bool(torch.isfinite(value).any()):
            raise Fault("forward() returns only NaN or infinity: there is nothing to compare; mend its inputs")


def mutates(model: Callable[..., Any], inputs: list[Any]) -> bool:
    """Whether forward() writes to its inputs."""
    copied = duplicate(inputs)
    with torch.no_grad(), blamed_on("forward()"):
        model(*copied)
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    encode(inputs, before)
    encode(copied, after)
    return not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, after, strict=True))


def are_views(leaves: Leaves, inputs: list[Any]) -> bool:
    """Whether an output lies in the memory of an input."""
    tensors: list[torch.Tensor] = []
    encode(inputs, tensors)
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    return any(isinstance(leaf, torch.Tensor) and leaf.untyped_storage().data_ptr() in storages for leaf in leaves)
