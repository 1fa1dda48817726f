"""Facts about values, graphs and this machine, as plain JSON. Runs inside a sandbox."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from tools.harness.operator_graph import GraphError, export_graph
from tools.harness.tensors import dtype_name


def describe_value(value: Any) -> Any:
    """A tensor as its facts, anything else as its ``repr``."""
    if not isinstance(value, torch.Tensor):
        return repr(value)[:200]
    return {"shape": list(value.shape), "dtype": dtype_name(value.dtype), "stride": list(value.stride())}


def graph_facts(model: torch.nn.Module, inputs: list[Any]) -> dict[str, Any]:
    """The operator graph of the module, or one line that says why there is none."""
    try:
        graph = export_graph(model, inputs)
    except GraphError as error:
        return {"graph": None, "graph_error": str(error), "operators": []}
    return {"graph": graph, "graph_error": None, "operators": [str(node["op"]) for node in graph["nodes"]]}


def describe_machine() -> dict[str, Any]:
    """Processor, threads and torch."""
    name = platform.processor() or platform.machine()
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {
        "cpu": f"{name} ({torch.backends.cpu.get_cpu_capability()})",
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
    }
