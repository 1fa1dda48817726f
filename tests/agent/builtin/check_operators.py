"""Run by test_operators in a process of its own: compares generated code with the reference, file by file.

Prints one JSON object a file: name, outcome (``ok``, ``wrong``, ``unsupported``), detail.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import torch

from agent.builtin import nests
from agent.builtin.lowering import Unsupported
from agent.builtin.plan import parse_plan
from agent.builtin.program import generate
from tools.harness.operator_graph import GraphError, export_graph


def load(text: str, name: str, folder: Path):
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(out):
    if isinstance(out, torch.Tensor):
        return [out]
    if isinstance(out, dict):
        return [leaf for value in out.values() for leaf in leaves(value)]
    return [leaf for value in out for leaf in leaves(value)] if isinstance(out, (list, tuple)) else []


def compare(reference, made, exact):
    if (reference.shape, reference.dtype) != (made.shape, made.dtype):
        return f"{tuple(made.shape)} {made.dtype} for {tuple(reference.shape)} {reference.dtype}"
    if not reference.is_floating_point():
        return "" if torch.equal(reference, made) else f"{int((reference != made).sum())} integers differ"
    if not torch.equal(reference.isnan(), made.isnan()) or not torch.equal(reference.isinf(), made.isinf()):
        return "NaN or infinity in other places"
    finite = torch.isfinite(exact) & torch.isfinite(made.double())
    if not finite.any():
        return ""
    scale = exact[finite].abs().max().clamp_min(1e-30)
    error = ((made.double() - exact)[finite].abs().max() / scale).item()
    eager = ((reference.double() - exact)[finite].abs().max() / scale).item()
    allowed = 4 * max(eager, 2 * torch.finfo(reference.dtype).eps)
    return "" if error <= allowed else f"error {error:.2e}, allowed {allowed:.2e}"


def oracle(model, inputs, fallback):
    wide = [i.double() if isinstance(i, torch.Tensor) and i.is_floating_point() else i for i in inputs]
    try:
        return [leaf.double() for leaf in leaves(model.double()(*wide))]
    except (RuntimeError, TypeError):
        return [leaf.double() for leaf in leaves(fallback)]


def check(path: Path, plan, folder: Path) -> tuple[str, str]:
    text, name = path.read_text(), path.stem
    torch.manual_seed(0)
    problem = load(text, f"{name}_reference", folder)
    arguments = problem.get_init_inputs() if hasattr(problem, "get_init_inputs") else []
    model = problem.Model(*arguments)
    torch.manual_seed(1)
    inputs = problem.get_inputs()
    try:
        program = generate(export_graph(model, inputs), text, plan, 2)
    except (Unsupported, GraphError) as error:
        return "unsupported", str(error)
    # -O1 instead of -O3: what is tested is what the code says, and there are many files.
    made = load(program.replace("-O3 ", "-O1 "), f"{name}_candidate", folder)
    new = made.ModelNew(*arguments)
    new.load_state_dict(model.state_dict(), strict=False)
    own_forward = made.Model.forward
    made.Model.forward = lambda *_: (_ for _ in ()).throw(AssertionError("fell back to the reference"))
    with torch.no_grad():
        reference, out = model(*inputs), new(*inputs)
        made.Model.forward = own_forward
        exact = oracle(model, inputs, reference)
    if type(reference) is not type(out) or len(leaves(reference)) != len(leaves(out)):
        return "wrong", "another structure"
    told = [compare(*three) for three in zip(leaves(reference), leaves(out), exact, strict=True)]
    return ("wrong", "; ".join(filter(None, told))) if any(told) else ("ok", "")


def main() -> None:
    nests.STREAMED_BYTES = 1  # the files are small, and streaming is to be tried
    folder, plan = Path(os.environ["KERNELWRIGHT_BUILD_DIR"]), parse_plan(sys.argv[1])
    for name in sys.argv[2:]:
        try:
            outcome, detail = check(Path(name), plan, folder)
        except Exception as error:  # noqa: BLE001 - reported, and the next file is still checked
            outcome, detail = "wrong", f"{type(error).__name__}: {str(error)[-500:]}"
        sys.stdout.write(json.dumps({"name": Path(name).stem, "outcome": outcome, "detail": detail}) + "\n")


if __name__ == "__main__":
    main()
