"""Run by test_triton in a process of its own, with KERNELWRIGHT_CUDA_ARCH=sm_90: has generated kernels compiled.

The interpreter accepts what the compiler does not. Prints one JSON object a file, as check_operators does.
"""

import json
import os
import sys
from pathlib import Path

import torch
from check_operators import load

from agent.builtin import triton_layout
from agent.builtin.lowering import Unsupported
from agent.builtin.plan import parse_choices
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_program import generate_triton
from tools.harness.dry_run import compile_kernels
from tools.harness.operator_graph import GraphError, export_graph
from tools.harness.tensors import encode


def check(path: Path, plan, folder: Path) -> tuple[str, str]:
    text, name = path.read_text(), path.stem
    torch.manual_seed(0)
    problem = load(text, f"{name}_reference", folder)
    arguments = problem.get_init_inputs() if hasattr(problem, "get_init_inputs") else []
    inputs = problem.get_inputs()
    try:
        program = generate_triton(export_graph(problem.Model(*arguments), inputs), text, plan)
    except (Unsupported, GraphError) as error:
        return "unsupported", str(error)
    tensors: list[torch.Tensor] = []
    spec = encode(list(inputs), tensors)
    forms = [[str(t.dtype).removeprefix("torch."), list(t.shape), list(t.stride()), t.numel()] for t in tensors]
    made = load(program, f"{name}_compiled", folder)
    if "@triton.jit" not in program:
        return "ok", "no kernels"
    model = made.ModelNew(*arguments)
    made.Model.forward = lambda *_: (_ for _ in ()).throw(AssertionError("fell back to the reference"))
    told = compile_kernels(model, [{"spec": spec, "tensors": forms}], program)
    return ("ok" if told.startswith("compiled for sm_90: k") else "wrong"), told


def main() -> None:
    if "split=1" in sys.argv[1]:  # the files are small, and programs are to share rows
        triton_layout.SHARED_LENGTH = triton_layout.SHARED_HEIGHT = 17
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
