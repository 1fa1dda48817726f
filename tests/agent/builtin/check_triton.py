"""Run by test_triton in a process of its own, with TRITON_INTERPRET=1: compares generated Triton with the reference.

Prints one JSON object a file, as check_operators does. The interpreter has no libdevice: numpy stands in for it.
"""

import copy
import json
import math
import os
import sys
from pathlib import Path

import numpy
import torch
import triton.language as tl
from check_operators import compare, leaves, load, oracle
from triton.language.extra import libdevice
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from agent.builtin import triton_layout
from agent.builtin.lowering import Unsupported
from agent.builtin.plan import parse_choices
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_program import generate_triton
from agent.builtin.triton_text import LIBDEVICE
from tools.harness.operator_graph import GraphError, export_graph

NUMPY = {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan"} | {
    "atan2": "arctan2",
    "atanh": "arctanh",
    "pow": "power",
}


def stand_in(name):
    special = {"erf": math.erf, "erfc": math.erfc}.get(name)
    apply = numpy.vectorize(special) if special else getattr(numpy, NUMPY.get(name, name))

    def function(*args, **_):
        tensor = next(a for a in args if isinstance(a, tl.tensor))
        data = tensor.handle.data
        values = [a.handle.data if isinstance(a, tl.tensor) else getattr(a, "value", a) for a in args]
        with numpy.errstate(all="ignore"):
            made = numpy.asarray(apply(*(numpy.asarray(v, dtype="float64") for v in values))).astype(data.dtype)
        return tl.tensor(TensorHandle(made, tensor.handle.dtype), tensor.type)

    return function


def dot(builder, a, b, total, *_):
    """The interpreter keeps bfloat16 as its bits, and would multiply those."""

    def numbers(operand):
        bits = operand.data
        return (bits.astype("uint32") << 16).view("float32") if operand.dtype == tl.bfloat16 else bits

    product = numpy.matmul(numbers(a), numbers(b), dtype=total.data.dtype)
    return TensorHandle(product + total.data, total.dtype.scalar)


def check(path: Path, plan, folder: Path) -> tuple[str, str]:
    text, name = path.read_text(), path.stem
    torch.manual_seed(0)
    problem = load(text, f"{name}_reference", folder)
    arguments = problem.get_init_inputs() if hasattr(problem, "get_init_inputs") else []
    model = problem.Model(*arguments)
    torch.manual_seed(1)
    inputs = problem.get_inputs()
    try:
        program = generate_triton(export_graph(model, inputs), text, plan)
    except (Unsupported, GraphError) as error:
        return "unsupported", str(error)
    made = load(program.replace('DEVICE = "cuda"', 'DEVICE = "cpu"'), f"{name}_candidate", folder)
    new = made.ModelNew(*arguments)
    new.load_state_dict(model.state_dict(), strict=False)
    own_forward, fallen = made.Model.forward, []
    made.Model.forward = lambda *given, **named: fallen.append(name) or own_forward(*given, **named)
    told = differences(model, new, inputs)
    if fallen:
        return "wrong", "fell back to the reference"
    if not told and os.environ.get("KERNELWRIGHT_DRESSED") and "bce" not in name:
        told = dressed(model, new, inputs, odd="gelu" in text or "quantise" in name)
    return ("wrong", told) if told else ("ok", "")


def differences(model, new, inputs) -> str:
    with torch.no_grad():
        kept = [i.clone() if isinstance(i, torch.Tensor) else i for i in inputs]
        reference, out = model(*kept), new(*inputs)
        pairs = [pair for pair in zip(inputs, kept, strict=True) if isinstance(pair[0], torch.Tensor)]
        if not all(torch.equal(i.nan_to_num(), k.nan_to_num()) for i, k in pairs):
            return "an input was changed"
        exact = oracle(copy.deepcopy(model), inputs, reference)
    if type(reference) is not type(out) or len(leaves(reference)) != len(leaves(out)):
        return "another structure"
    told = [compare(*three) for three in zip(leaves(reference), leaves(out), exact, strict=True)]
    return "; ".join(filter(None, told))


def dressed(model, new, inputs, odd: bool) -> str:
    """NaN and infinities in the inputs, and inputs that lie otherwise in memory.

    ``odd``: what torch makes of an infinity on processors is not what it makes of it on a GPU (gelu, integers).
    """
    floats = [
        n for n, i in enumerate(inputs) if isinstance(i, torch.Tensor) and i.is_floating_point() and i.numel() > 3
    ]
    for name, value in (("nan", math.nan), ("inf", math.inf)):
        given = [i.clone() if isinstance(i, torch.Tensor) else i for i in inputs]
        for n in floats:
            if given[n].is_contiguous():
                given[n].view(-1)[given[n].numel() // 2] = value
        if not (odd and name == "inf") and (told := differences(model, new, given)):
            return f"{name}: {told}"
    given = [i.clone() if isinstance(i, torch.Tensor) else i for i in inputs]
    for n in floats:
        given[n] = given[n].repeat_interleave(2, -1)[..., ::2]
    if told := differences(model, new, given):
        return f"strides: {told}"
    return ""


def main() -> None:
    if "split=1" in sys.argv[1]:  # the files are small, and programs are to share rows
        triton_layout.SHARED_LENGTH = triton_layout.SHARED_HEIGHT = 17
    InterpreterBuilder.create_dot = dot
    for name in LIBDEVICE:
        setattr(libdevice, name, stand_in(name))
    folder, plan = Path(os.environ["KERNELWRIGHT_BUILD_DIR"]), parse_choices(sys.argv[1], TritonPlan())
    for name in sys.argv[2:]:
        try:
            outcome, detail = check(Path(name), plan, folder)
        except Exception as error:  # noqa: BLE001 - reported, and the next file is still checked
            outcome, detail = "wrong", f"{type(error).__name__}: {str(error)[-500:]}"
        sys.stdout.write(json.dumps({"name": Path(name).stem, "outcome": outcome, "detail": detail}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
