"""A problem's facts as text, the same wherever a model reads them: its prompt and its ``read_problem``."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tools.problem import CaseFacts, Description
from tools.roofline import roof_of


def one_line(text: str, limit: int = 300) -> str:
    """Whitespace collapsed and cut to ``limit`` characters: safe inside a line that is parsed."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def fenced(text: str, info: str = "python") -> str:
    """A Markdown code block whose fence the text itself cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{info}\n{text.rstrip()}\n{fence}"


def cases_text(description: Description) -> str:
    """One line a case: inputs, outputs, compulsory bytes, flops, and the least time where it is known."""
    lines = [_case_line(case) for case in description.cases]
    return "\n".join([*lines, *_backward_lines(description)]) or "- none"


def _backward_lines(description: Description) -> list[str]:
    if not description.gradients:
        return []
    return [
        "- One call is forward() and its backward together: the last inputs above are the gradients of forward()'s "
        f"outputs, the last {len(description.gradients)} outputs are the gradients of "
        f"{one_line(', '.join(description.gradients), 2000)}, in this order. "
        "forward() takes the other inputs only, and returns what Model's returns; ModelNew has parameters of the "
        "same names, and its outputs come from a torch.autograd.Function (or from operators that torch "
        "differentiates). Both halves are compared with float64 and timed as one; do not write to the gradients that "
        "come in, and return None for inputs that want none."
    ]


def baselines_text(baselines: Mapping[str, float]) -> str:
    """One line a baseline, fastest first, in seconds and in a unit one can read."""
    rows = sorted(baselines.items(), key=lambda item: (item[1], item[0]))
    return "\n".join(f"- {one_line(name)}: {seconds:.6g} s" for name, seconds in rows) or "- not measured"


def roofline_text(description: Description, baselines: Mapping[str, float]) -> str:
    """One line a case: the least time of a call, what takes it, whether that is certain; then what is left to win."""
    floors = [case.floor for case in description.cases if case.floor is not None]
    if not floors:
        return "- not known: nobody measured what this device reaches, or what the operator has to do"
    lines = [_floor_line(case) for case in description.cases]
    if len(floors) == len(description.cases) and baselines:
        mean_s = math.exp(sum(math.log(floor.seconds) for floor in floors) / len(floors))
        name = min(baselines, key=lambda one: (baselines[one], one))
        reached = f"{mean_s / baselines[name]:.0%} of {roof_of(floor.bound for floor in floors)}"
        most = baselines[name] / mean_s
        left = f"a speed-up of {most:.2f} at most" if most > 1 else "nothing is left to win by this reckoning"
        lines.append(f"- the fastest baseline, {one_line(name)}, reaches {reached}: {left}")
    return "\n".join(lines)


def _floor_line(case: CaseFacts) -> str:
    if case.floor is None:
        return f"- {one_line(case.name)}: not known"
    doubt = f"; perhaps less: {one_line(case.floor.doubt)}" if case.floor.doubt else ""
    return f"- {one_line(case.name)}: {case.floor.seconds:.3g} s a call at least, for {case.floor.bound}{doubt}"


def machine_text(description: Description) -> str:
    """One line: processor, caches, threads, compiler, torch."""
    cpu = one_line(description.cpu, 600) or "unknown processor"
    hardware = f"; {one_line(description.hardware, 300)}" if description.hardware else ""
    torch = f", torch {description.torch_version}" if description.torch_version else ""
    return f"{cpu}{hardware}; {description.threads} threads{torch}"


def _case_line(case: CaseFacts) -> str:
    inputs = ", ".join(one_line(str(item)) for item in case.inputs) or "nothing"
    outputs = ", ".join(str(item) for item in case.outputs) or "nothing"
    flops = f"{case.flops} flops" if case.flops else "flops not counted"
    line = f"- {one_line(case.name)}: {inputs} -> {outputs}; {case.bytes_moved} bytes moved at least; {flops}"
    if case.floor is None:
        return line
    roof = roof_of([case.floor.bound])
    return f"{line}; by this device's measured ceilings about {case.floor.seconds:.3g} s at least, bound by {roof}"
