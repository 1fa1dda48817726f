"""Generated code as a model reads it: what there is, the likely hottest stretches, and the whole to read on in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tools.errors import ToolError
from tools.problem_text import one_line
from tools.profiling.compiler import RESOURCES
from tools.profiling.generated import CodeResult, CodeText, Part
from tools.profiling.loops import Stretch, stretch_text, stretches

MOST_STRETCHES = 3
STRETCH_LINES = 36
IR_LINES = 60
LINE_CHARS = 160
MOST_FILES = 6
MOST_OPERATIONS = 10
_OPERATION = {
    "ttgir": re.compile(r"^\s*(?:%[^=]*=\s*)?((?:tt|ttg|ttng|nvgpu|scf|math|arith|gpu)\.[a-z_0-9.]+)"),
    "ptx": re.compile(r"^\s+(?:@!?%p\d+\s+)?([a-z][a-z0-9_.:]+)\s"),
}
_DULL = ("arith.constant", "mov.", "tt.splat", "tt.expand_dims", "tt.make_range", "tt.broadcast")
_LABEL = re.compile(r"^(\$\w+):")
_BRANCH = re.compile(r"\bbra(?:\.uni)?\s+(\$\w+)")


class NoCode(ToolError):
    """There is nothing to read; the message says what to do instead."""


def code_text(result: CodeResult, part: Part) -> tuple[str, str]:
    """The excerpt and the whole text, in which its line numbers count. Raises NoCode."""
    chosen = _chosen(result, part)
    whole = "\n".join(part for text in chosen for part in (f"# {_title(text)}", text.text.strip("\n")))
    head = f"{part}: {', '.join(map(_title, chosen[:MOST_FILES]))}"
    head += f" and {len(chosen) - MOST_FILES} more" if len(chosen) > MOST_FILES else ""
    head += f" ({result.left_out} files left out, for want of room)" if result.left_out else ""
    others = sorted({text.part for text in result.texts} - {part})
    told = _machine(whole, on_gpu=result.on_gpu) if part == "machine" else _intermediate(whole, part)
    return "\n".join([head, *([f"also there: part={', '.join(others)}"] if others else []), *told]), whole


def _chosen(result: CodeResult, part: Part) -> list[CodeText]:
    if not result.ok:
        mend = "mend the candidate: compile_candidate says more"
        if result.reason in ("timeout", "unreadable_report", "profiler_missing", "profiler_refused"):
            mend = "go on without it"
        raise NoCode(f"no code: {result.reason}: {one_line(result.detail)}; {mend}")
    chosen = [text for text in result.texts if text.part == part]
    if chosen:
        return chosen
    others = sorted({text.part for text in result.texts})
    instead = f"ask for part={' or '.join(others)}" if others else "go on without it"
    if part == "machine" and result.missing:
        raise NoCode(f"no machine code: {result.missing}; {instead}")
    if others:
        raise NoCode(f"the build left no {part}: {instead}")
    if result.on_gpu:
        raise NoCode("the build left no code for the GPU: its kernels are torch's own, or compiled when first called")
    raise NoCode("the build left no compiled code: this candidate has none of its own, torch's operators do the work")


def _title(text: CodeText) -> str:
    return f"{text.file} {text.about}".strip()


def _machine(whole: str, *, on_gpu: bool) -> list[str]:
    found = stretches(whole, on_gpu=on_gpu)
    if not found:
        return ["nothing in it computes on floats or vectors: read_log what=code shows all of it"]
    resources = {name: " ".join(rest.split()[:4]) for name, rest in RESOURCES.findall(whole)} if on_gpu else {}
    lines = [f"{one_line(name, 100)}: {rest}" for name, rest in list(resources.items())[:MOST_FILES]]
    lines += ["what computes or moves most at one go, deepest loops first; how often each runs is not known:"]
    for number, stretch in enumerate(found[:MOST_STRETCHES], 1):
        lines += [f"{number}. {stretch_text(stretch, on_gpu=on_gpu)}", *_shown(stretch)]
    left = len(found) - MOST_STRETCHES
    lines += [f"{left} more: read_log what=code line={found[MOST_STRETCHES].lines[0].number}"] if left > 0 else []
    return lines


def _shown(stretch: Stretch) -> list[str]:
    lines = [line.text[:LINE_CHARS] for line in stretch.lines[:STRETCH_LINES]]
    left = len(stretch.lines) - len(lines)
    after = stretch.lines[len(lines) - 1].number + 1
    return [*lines, *([f"... {left} more instructions: read_log what=code line={after}"] if left > 0 else [])]


def _intermediate(whole: str, part: Part) -> list[str]:
    rows = whole.splitlines()
    counts: Counter[str] = Counter()
    for row in rows:
        if (match := _OPERATION[part].match(row)) and not match[1].startswith(_DULL):
            counts[match[1]] += 1
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST_OPERATIONS))
    begin = _begin(rows, part)
    layouts = [row[:LINE_CHARS] for row in rows[:begin] if row.startswith("#") and " = " in row]
    shown = [row[:LINE_CHARS] for row in rows[begin : begin + IR_LINES]]
    lines = [f"operations: {told}" if told else "no operations", *layouts[:MOST_OPERATIONS], f"from line {begin + 1}:"]
    after = begin + len(shown)
    return [*lines, *shown, *([f"... read_log what=code line={after + 1} goes on"] if after < len(rows) else [])]


def _begin(rows: Sequence[str], part: Part) -> int:
    """Where its first loop begins, or its first function."""
    if part == "ttgir":
        marks = ("scf.for", "scf.while", "tt.func")
        return next((at for mark in marks for at, row in enumerate(rows) if mark in row), 0)
    labels: dict[str, int] = {}
    for at, row in enumerate(rows):
        if label := _LABEL.match(row):
            labels[label[1]] = at
        elif (branch := _BRANCH.search(row)) and branch[1] in labels:
            return labels[branch[1]]
    return next((at for at, row in enumerate(rows) if ".entry" in row), 0)
