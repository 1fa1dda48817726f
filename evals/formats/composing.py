"""A definition and its workloads as the text of one problem file, self-contained: one workload becomes one case.

8-bit floats are no tensors that a judge compares, so they travel as the bytes they are: ``uint8``, viewed as what they
mean inside of ``forward``.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evals.formats import stored
from evals.formats.axes import concerns_axes_only, shape_of, sizes_of
from evals.formats.reference import Reference, call, look_at, parameter_names
from evals.formats.schema import (
    CustomInput,
    Definition,
    FormatError,
    Input,
    RandomInput,
    ScalarInput,
    StoredInput,
    Tensor,
    Workload,
)
from evals.formats.stored import Store
from tools.problem import MAX_PROBLEM_BYTES

MOST_STORED: Final = 128 << 10
"""Characters of stored tensors in one problem: a model is shown the text."""
_FLOATS: Final = ("float64", "float32", "float16", "bfloat16")
_BYTES: Final = ("float8_e4m3fn", "float8_e5m2")
_RANGES: Final = {"bool": (0, 2), "int8": (-128, 128), **dict.fromkeys(("int16", "int32", "int64"), (-1024, 1024))}
"""What these formats draw whole numbers from."""
_TAKEN: Final = {"Model", "get_cases", "get_init_inputs", "GRADIENTS", "BOUND", "constraints", stored.FUNCTION}
"""Names that the text needs beside the reference."""
_ENTRY_NEEDS: Final = "custom_inputs_entrypoint"


@dataclass(frozen=True)
class _Case:
    name: str
    workload: Workload
    sizes: Mapping[str, int]


def compose(
    definition: Definition, workloads: Sequence[Workload], store: Store, *, origin: str, target: str, most: int | None
) -> str:
    """The problem's text. ``origin``: where it comes from, a line for readers; ``most``: workloads that become cases.

    Raises FormatError where the definition cannot be a problem on ``target``.
    """
    reference = look_at(definition.reference, len(definition.outputs))
    _require_usable(definition, reference, target)
    if not workloads:
        raise FormatError("it has no workloads, so nobody knows its sizes and inputs")
    cases = _named(definition, _spread(definition, workloads, most))
    drawn = [_drawn(definition, case, store) for case in cases]
    held = _constraints(definition)
    brings = any(f"{stored.FUNCTION}(" in text for text in drawn)
    parts = [
        f"{_header(definition, cases, len(workloads), origin)}\n{definition.reference.strip(chr(10))}",
        _imports(reference, brings=brings),
        _model(definition, reference),
        stored.DEFINED if brings else "",
        held,
        _cases(cases, drawn, checked=bool(held)),
        "" if "get_inputs" in reference.names else "def get_inputs():\n    return next(iter(get_cases().values()))",
        "def get_init_inputs():\n    return []",
    ]
    text = "\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"
    size = len(text.encode(errors="replace"))
    if (brings and sum(map(len, drawn)) > MOST_STORED) or size > MAX_PROBLEM_BYTES:
        raise FormatError(
            f"the stored tensors of its {len(cases)} workloads are more than a problem file can carry "
            f"({MOST_STORED >> 10} KiB): take fewer with --max-cases"
        )
    _require_python(text)
    return text


def _require_python(text: str) -> None:
    """What is put together of parts that are fine need not be: names may clash, text may be no Unicode."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text.encode(), "problem", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise FormatError(f"the problem made of it is no Python: {error.msg} in line {error.lineno}") from error
    except ValueError as error:
        raise FormatError(f"the problem made of it is no text: {error}") from error


def _require_usable(definition: Definition, reference: Reference, target: str) -> None:
    if definition.op_type == "sampling":
        raise FormatError("op_type sampling: its answers are random, and here answers are compared")
    taken = sorted(reference.names & _TAKEN)
    if taken:
        raise FormatError(f"reference: it defines {taken[0]}, a name that a problem file needs")
    entry = definition.custom_inputs_entrypoint
    if entry is not None and entry not in reference.names:
        raise FormatError(f"{_ENTRY_NEEDS}: the reference defines no {entry}")
    if reference.device and target == "cpu":
        raise FormatError(f"its reference asks for a CUDA device ({reference.device}): give a --target cuda:ARCH")
    if all(tensor.shape is None for tensor in definition.outputs.values()):
        raise FormatError("its outputs are plain numbers, and at least one has to be a tensor")
    for name, tensor in (*definition.inputs.items(), *definition.outputs.items()):
        if tensor.dtype not in (*_FLOATS, *_BYTES, *_RANGES, "uint8"):
            raise FormatError(f"{name} is {tensor.dtype}, which no judge here can compare")


def _spread(definition: Definition, workloads: Sequence[Workload], most: int | None) -> list[Workload]:
    """All, or so many of all sizes, in the dataset's order."""
    seen: Counter[str] = Counter(one.uuid for one in workloads)
    twice = [uuid for uuid, count in seen.items() if count > 1]
    if twice:
        raise FormatError(f"two of its workloads are called {twice[0]}")
    if most is None or len(workloads) <= most:
        return list(workloads)
    order = sorted(range(len(workloads)), key=lambda place: (_elements(definition, workloads[place]), place))
    steps = [(len(order) - 1) / 2] if most == 1 else [step * (len(order) - 1) / (most - 1) for step in range(most)]
    return [workloads[place] for place in sorted({order[round(step)] for step in steps})]


def _elements(definition: Definition, workload: Workload) -> int:
    sizes = sizes_of(definition, workload)
    shapes = [shape_of(tensor, sizes, name) for name, tensor in definition.inputs.items()]
    return sum(math.prod(shape) for shape in shapes if shape is not None)


def _named(definition: Definition, workloads: Sequence[Workload]) -> list[_Case]:
    """Cases are called by their sizes, and by their identifiers too where sizes are alike."""
    plain = [", ".join(f"{name}={size}" for name, size in one.axes.items()) or one.uuid for one in workloads]
    count = Counter(plain)
    names = [name if count[name] == 1 else f"{name} ({one.uuid})" for name, one in zip(plain, workloads, strict=True)]
    cases = [_Case(name, one, sizes_of(definition, one)) for name, one in zip(names, workloads, strict=True)]
    for case in cases:
        for name, tensor in definition.outputs.items():
            shape_of(tensor, case.sizes, name)
    return cases


def _drawn(definition: Definition, case: _Case, store: Store) -> str:
    """The statements of ``get_cases`` that make one case."""
    workload = case.workload
    strange = sorted(workload.inputs.keys() - definition.inputs.keys())
    if strange:
        raise FormatError(f"workload {workload.uuid}: the definition has no input {strange[0]}")
    lines = []
    if any(isinstance(given, CustomInput) for given in workload.inputs.values()):
        entry = definition.custom_inputs_entrypoint
        if entry is None:
            raise FormatError(f"workload {workload.uuid} has custom inputs, and the definition no {_ENTRY_NEEDS}")
        scalars = {name: given.value for name, given in workload.inputs.items() if isinstance(given, ScalarInput)}
        told = _literal({**case.sizes, **scalars})
        lines.append(f"    custom = {entry}({told}, torch.empty(0).device)")
    lines.append(f"    cases[{_literal(case.name)}] = [")
    for name, tensor in definition.inputs.items():
        if name not in workload.inputs:
            raise FormatError(f"workload {workload.uuid} says nothing of the input {name}")
        made = _input(name, tensor, workload.inputs[name], case, store)
        lines.append(f"        {made},  # {_comment(name)}")
    return "\n".join([*lines, "    ]"])


def _input(name: str, tensor: Tensor, given: Input, case: _Case, store: Store) -> str:
    shape = shape_of(tensor, case.sizes, name)
    as_bytes = ".view(torch.uint8)" if tensor.dtype in _BYTES else ""
    match given:
        case ScalarInput(value=value):
            return _literal(value)
        case CustomInput():
            return f"custom[{_literal(name)}]{as_bytes if shape is not None else ''}"
        case StoredInput() if shape is not None:
            return f"{store.text(given, tensor.dtype, shape)}{as_bytes}"
        case RandomInput() if shape is not None:
            return f"{_random(tensor.dtype, shape, name)}{as_bytes}"
    raise FormatError(f"{name} is a number that is {given.type}: it has to be the same in every draw")


def _random(dtype: str, shape: tuple[int, ...], name: str) -> str:
    if dtype in _FLOATS:
        return f"torch.randn({shape}, dtype=torch.{dtype})"
    if dtype in _BYTES:
        return f"torch.randn({shape}).clamp(-2, 2).to(torch.{dtype})"
    if dtype not in _RANGES:
        raise FormatError(f"{name} is drawn as {dtype}, and the format does not say from what")
    low, high = _RANGES[dtype]
    return f"torch.randint({low}, {high}, {shape}, dtype=torch.{dtype})"


def _imports(reference: Reference, *, brings: bool) -> str:
    """What is needed and not there; after the reference, which may begin with ``from __future__``."""
    needed = ["base64", "lzma", "torch"] if brings else ["torch"]
    return "\n".join(f"import {name}" for name in needed if name not in reference.names)


def _model(definition: Definition, reference: Reference) -> str:
    names = parameter_names(definition.inputs)
    values = [
        f"{name}.view(torch.{tensor.dtype})" if tensor.dtype in _BYTES and tensor.shape is not None else name
        for name, tensor in zip(names, definition.inputs.values(), strict=True)
    ]
    made = call(reference, definition.inputs, values)
    lines = ["class Model(torch.nn.Module):", f"    def forward({', '.join(['self', *names])}):"]
    as_bytes = [tensor.dtype in _BYTES and tensor.shape is not None for tensor in definition.outputs.values()]
    if reference.is_plain and not any(as_bytes):
        return "\n".join([*lines, f"        return {made}\n"])
    lines.append(f"        answer = {made}")
    outputs = tuple(definition.outputs)
    if len(outputs) == 1:
        lines += [
            "        if isinstance(answer, dict):",
            f"            answer = answer[{_literal(outputs[0])}]",
            "        elif isinstance(answer, (tuple, list)):",
            "            (answer,) = answer",
            f"        return answer{'.view(torch.uint8)' if as_bytes[0] else ''}\n",
        ]
    else:
        lines += [
            "        if isinstance(answer, dict):",
            f"            answer = [answer[name] for name in {outputs!r}]",
            f"        {', '.join(f'output_{number}' for number in range(len(outputs)))} = answer",
        ]
        views = [f"output_{n}.view(torch.uint8)" if odd else f"output_{n}" for n, odd in enumerate(as_bytes)]
        lines.append(f"        return {', '.join(views)}\n")
    return "\n".join(lines)


def _constraints(definition: Definition) -> str:
    """A function that checks what cannot be known before inputs are drawn; empty where there is nothing."""
    open_ = [text for text in definition.constraints or () if not concerns_axes_only(text, definition)]
    if not open_:
        return ""
    names = parameter_names(definition.inputs)
    if names != list(definition.inputs) or not all(name.isidentifier() for name in definition.axes):
        raise FormatError(f"the constraint {open_[0]} cannot be checked: not all names are Python's")
    lines = [f"def constraints({', '.join([*names, '*', *definition.axes])}):"]
    lines += [f"    assert {text.strip()}, {_literal(text.strip())}" for text in open_]
    return "\n".join(lines) + "\n"


def _cases(cases: Sequence[_Case], drawn: Sequence[str], *, checked: bool) -> str:
    lines = ["def get_cases():", "    cases = {}"]
    for case, text in zip(cases, drawn, strict=True):
        lines.append(text)
        if checked:
            lines.append(f"    constraints(*cases[{_literal(case.name)}], **{_literal(dict(case.sizes))})")
    return "\n".join([*lines, "    return cases"])


def _header(definition: Definition, cases: Sequence[_Case], of: int, origin: str) -> str:
    lines = [f"{definition.name}{f' ({definition.op_type})' if definition.op_type else ''}", ""]
    lines += [definition.description, ""] if definition.description else []
    lines += [f"{origin}; {len(cases)} of its {of} workloads, one a case."]
    for kind, tensors in (("input", definition.inputs), ("output", definition.outputs)):
        for name, tensor in tensors.items():
            shape = "a number" if tensor.shape is None else f"[{', '.join(map(str, tensor.shape))}]"
            bits = ", as its bytes" if tensor.dtype in _BYTES and tensor.shape is not None else ""
            told = f": {tensor.description}" if tensor.description else ""
            lines.append(f"{kind} {name}: {tensor.dtype} {shape}{bits}{told}")
    lines += [f"constraint: {text}" for text in definition.constraints or ()]
    return "\n".join(f"# {_comment(line)}".rstrip() for line in lines) + "\n"


def _comment(text: str) -> str:
    """On one line, whatever it holds."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _literal(value: object) -> str:
    """Python text of a plain value; numbers that are none are spelled, too."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(name)}: {_literal(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
