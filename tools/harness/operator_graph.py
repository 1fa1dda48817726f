"""Read a module's operator graph with torch.export and give it as plain JSON.

Runs inside a sandbox: standard library and torch only. The form:

``{"inputs": [...], "nodes": [...], "outputs": TREE, "mutates": bool}``

* input: ``{"name", "kind": "user" | "parameter" | "buffer" | "constant", "target", "shape", "dtype", "stride"}``;
  ``target`` is the position of a user input or the attribute path of the others; a small constant carries its
  ``value`` as a flat list;
* node: ``{"name", "op", "args", "kwargs", "shape", "dtype"}`` with ``op`` like ``aten.add.Tensor``; an operator
  with several results has ``results: [{"shape", "dtype"} | None]`` instead, and ``getitem`` nodes pick from it;
* an argument: ``{"ref": name}``, a number, a string, a bool, None, a list, ``{"float": "inf"}`` or
  ``{"dtype": "float32"}``;
* TREE: ``{"ref": name}``, ``{"value": ...}``, or ``{"tuple" | "list": [TREE]}``, ``{"dict": {key: TREE}}``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

MAX_CONSTANT_ELEMENTS = 4096


class GraphError(Exception):
    """The operator cannot be read as a static graph; one line says why."""


def export_graph(model: torch.nn.Module, inputs: list[Any]) -> dict[str, Any]:
    """The graph of ``model(*inputs)`` in core ATen operators. Raises GraphError."""
    try:
        with torch.no_grad():
            program = torch.export.export(model, tuple(inputs), strict=False)
            program = program.run_decompositions()
    except Exception as error:  # torch.export raises whatever the module's Python raised
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GraphError(f"torch.export could not read this module: {first[:300]}") from error
    signature = program.graph_signature
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    described = []
    position = 0
    for spec in signature.input_specs:
        name = getattr(spec.arg, "name", None)
        kind = spec.kind.name
        entry: dict[str, Any] = {"name": name}
        if kind == "USER_INPUT":
            entry.update(kind="user", target=position)
            position += 1
        elif kind in ("PARAMETER", "BUFFER"):
            entry.update(kind=kind.lower(), target=spec.target)
        elif kind == "CONSTANT_TENSOR":
            entry.update(kind="constant", target=spec.target)
            tensor = program.constants[spec.target]
            if tensor.numel() <= MAX_CONSTANT_ELEMENTS:
                entry["value"] = [_argument(v) for v in tensor.detach().reshape(-1).tolist()]
        else:
            raise GraphError(f"the graph has an input of kind {kind}")
        value = placeholders[name].meta.get("val") if name in placeholders else None
        if not isinstance(value, torch.Tensor):
            entry["value_of"] = type(value).__name__
        else:
            entry.update(_facts(value), stride=list(value.stride()))
        described.append(entry)
    nodes = [_node(node) for node in program.graph.nodes if node.op == "call_function"]
    unknown = [n.op for n in program.graph.nodes if n.op not in ("placeholder", "call_function", "output")]
    if unknown:
        raise GraphError(f"the graph holds {unknown[0]} nodes (control flow)")
    flat = [_output(spec.arg) for spec in signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    mutates = any(spec.kind.name != "USER_OUTPUT" for spec in signature.output_specs)
    tree = torch.utils._pytree.tree_unflatten(flat, program.call_spec.out_spec)
    return {"inputs": described, "nodes": nodes, "outputs": _tree(tree), "mutates": mutates}


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _facts(value: torch.Tensor) -> dict[str, Any]:
    return {"shape": [int(s) for s in value.shape], "dtype": _dtype(value.dtype)}


def _node(node: torch.fx.Node) -> dict[str, Any]:
    target = node.target
    name = "getitem" if getattr(target, "__name__", "") == "getitem" else str(target)
    described: dict[str, Any] = {
        "name": node.name,
        "op": name,
        "args": [_argument(a) for a in node.args],
        "kwargs": {k: _argument(v) for k, v in node.kwargs.items()},
    }
    value = node.meta.get("val")
    if isinstance(value, torch.Tensor):
        described.update(_facts(value))
    elif isinstance(value, (tuple, list)):
        described["results"] = [_facts(v) if isinstance(v, torch.Tensor) else None for v in value]
    return described


def _argument(value: Any) -> Any:
    if isinstance(value, torch.fx.Node):
        return {"ref": value.name}
    if isinstance(value, torch.dtype):
        return {"dtype": _dtype(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_argument(v) for v in value]
    return {"other": str(value)}


def _output(arg: Any) -> dict[str, Any]:
    name = getattr(arg, "name", None)
    if type(arg).__name__ == "ConstantArgument":
        return {"value": arg.value}
    return {"ref": name}


def _tree(value: Any) -> Any:
    if isinstance(value, dict) and set(value) in ({"ref"}, {"value"}):
        return value
    if isinstance(value, dict):
        return {"dict": {str(k): _tree(v) for k, v in value.items()}}
    if isinstance(value, (tuple, list)):
        return {"tuple" if isinstance(value, tuple) else "list": [_tree(v) for v in value]}
    raise GraphError(f"the output holds a {type(value).__name__}")
