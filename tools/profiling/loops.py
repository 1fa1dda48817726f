"""Loops in machine code, those first that seem to do most of the work. Pure; of objdump's and cuobjdump's texts.

Nothing here knows how often a loop runs. What counts is how much it computes or moves at one go, and how deep it lies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.problem_text import one_line
from tools.profiling.compiler import CLASSES, mixes_of
from tools.profiling.vectors import FUNCTION as HOST_FUNCTION
from tools.profiling.vectors import SCALAR, WIDTHS

MAX_LOOPS = 200
"""Of one function."""
DEEPEST = 4
MAX_ROW = 400
"""Of a line that is read: a candidate may have written the file itself, and regular expressions take their time."""
MOST_MNEMONICS = 6
_HOST = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:lock|rep\w*|bnd|notrack)\s+)*([a-z]\S*)\s*(.*)$")
_HOST_TARGET = re.compile(r"(?:^|\s)([0-9a-f]+) <")
_HOST_CALL = re.compile(r"^(?:call|bl$|blr$)")
_HOST_JUMP = re.compile(r"^(?:j|b$|b\.|cb|tb|loop)")
_CALLED = re.compile(r"<([^>]+)>")
_STACK = re.compile(r"\(%[er][sb]p\)|\[sp")
_DEVICE_FUNCTION = re.compile(r"^\s*Function : (\S+)")
_DEVICE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)(.*)$")
_DEVICE_TARGET = re.compile(r"0x([0-9a-f]+)")
_LANES = {"512-bit vectors": 16, "256-bit vectors": 8, "128-bit vectors": 4, SCALAR: 1}
_CLASS = {mnemonic: name for name, mnemonics in CLASSES for mnemonic in mnemonics}
_WEIGHT = {"tensor core": 64, "special functions": 2, "fp32": 2, "fp16": 2, "fp64": 2, "shuffles": 2}
_WEIGHT |= dict.fromkeys(("global memory", "bulk copies", "shared memory", "local memory"), 4)


@dataclass(frozen=True)
class Line:
    """One instruction."""

    number: int
    """Of the text's lines, from 1."""
    text: str
    address: int
    mnemonic: str
    operands: str
    target: int | None = None
    """Where it may jump to."""


@dataclass(frozen=True)
class Stretch:
    """A loop without a loop in it, or a whole function that has none."""

    function: str
    lines: tuple[Line, ...]
    depth: int
    """Loops that it lies in, itself included; 0 for a function without one."""
    work: int


def stretches(text: str, *, on_gpu: bool) -> list[Stretch]:
    """Those that compute or move anything, the likely hottest first."""
    found = []
    for name, lines in _functions(text.splitlines(), on_gpu=on_gpu):
        loops = _innermost(lines)
        parts = [(lines[head : end + 1], depth) for head, end, depth in loops] or [(lines, 0)]
        for part, depth in parts:
            work = sum(map(_device_work if on_gpu else _host_work, part))
            if work:
                found.append(Stretch(name, tuple(part), depth, work << min(depth, DEEPEST)))
    return sorted(found, key=lambda stretch: (-stretch.work, stretch.lines[0].number))


def stretch_text(stretch: Stretch, *, on_gpu: bool) -> str:
    """One line: where it is, and what its instructions are."""
    kind = f"loop, depth {stretch.depth}" if stretch.depth else "no loop in it"
    first, last = stretch.lines[0].number, stretch.lines[-1].number
    where = f"{one_line(stretch.function, 100)}: {kind}, {len(stretch.lines)} instructions, lines {first} to {last}"
    return "; ".join([where, *(_device_facts(stretch) if on_gpu else _host_facts(stretch))])


def _functions(rows: Sequence[str], *, on_gpu: bool) -> Iterator[tuple[str, list[Line]]]:
    begins = _DEVICE_FUNCTION if on_gpu else HOST_FUNCTION
    name, lines = "", list[Line]()
    for number, row in enumerate(rows, 1):
        row = row[:MAX_ROW]
        if match := begins.match(row):
            if lines:
                yield name, lines
            name, lines = match[1], []
        elif line := _device_line(number, row) if on_gpu else _host_line(number, row):
            lines.append(line)
    if lines:
        yield name, lines


def _host_line(number: int, row: str) -> Line | None:
    match = _HOST.match(row)
    if match is None:
        return None
    jump = _HOST_TARGET.search(match[3]) if _HOST_JUMP.match(match[2]) else None
    return Line(number, row.strip(), int(match[1], 16), match[2], match[3], int(jump[1], 16) if jump else None)


def _device_line(number: int, row: str) -> Line | None:
    match = _DEVICE.match(row)
    if match is None:
        return None
    jump = _DEVICE_TARGET.search(match[3]) if match[2] in ("BRA", "JMP") else None
    text = " ".join(row.split())
    return Line(number, text, int(match[1], 16), match[2], match[3], int(jump[1], 16) if jump else None)


def _innermost(lines: Sequence[Line]) -> list[tuple[int, int, int]]:
    """Begin, end and depth of loops that hold no other one."""
    places = {line.address: index for index, line in enumerate(lines)}
    ends: dict[int, int] = {}
    for index, line in enumerate(lines):
        head = places.get(line.target) if line.target is not None else None
        if head is not None and head < index:  # one that jumps to itself only fills the end of a kernel
            ends[head] = index
    loops = list(ends.items())[:MAX_LOOPS]
    found = []
    for head, end in loops:
        if any((head, end) != other and head <= other[0] and other[1] <= end for other in loops):
            continue
        found.append((head, end, sum(1 for other in loops if other[0] <= head and end <= other[1])))
    return found


def _width(line: Line) -> str | None:
    """Of a vector instruction's registers, or ``SCALAR``; None for all others."""
    width = next((name for register, name in WIDTHS if register in line.operands), None)
    if width != WIDTHS[-1][1]:
        return width
    one = line.mnemonic.endswith(("ss", "sd")) or "ss2" in line.mnemonic or "sd2" in line.mnemonic
    return SCALAR if one and not line.mnemonic.startswith(("vp", "p")) else width


def _host_work(line: Line) -> int:
    width = _width(line)
    if width is None:
        return 0
    return _LANES[width] if "mov" not in line.mnemonic else max(1, _LANES[width] // 4)


def _host_facts(stretch: Stretch) -> list[str]:
    widths: dict[str, Counter[str]] = {}
    for line in stretch.lines:
        if width := _width(line):
            widths.setdefault(width, Counter())[line.mnemonic] += 1
    facts = [f"{width}: {_counts(widths[width])}" for width in _LANES if width in widths]
    calls = [line.operands for line in stretch.lines if _HOST_CALL.match(line.mnemonic)]
    called = dict.fromkeys(match[1] if (match := _CALLED.search(call)) else "a pointer" for call in calls)
    facts += [f"calls {one_line(', '.join(called), 120)}"] if called else []
    stack = sum(1 for line in stretch.lines if _STACK.search(line.operands))
    return [*facts, *([f"accesses to the stack: {stack}"] if stack else [])]


def _device_work(line: Line) -> int:
    return _WEIGHT.get(_CLASS.get(line.mnemonic, ""), 0)


def _device_facts(stretch: Stretch) -> list[str]:
    body = "\n".join(line.text for line in stretch.lines)
    mix, widths = mixes_of(f"Function : x\n{body}")["x"]
    facts = [_counts(mix)] if mix else []
    sizes = ", ".join(f"{bits} bits {count}" for bits, count in sorted(widths.items(), reverse=True))
    return [*facts, *([f"global accesses a thread: {sizes}"] if sizes else [])]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST_MNEMONICS))
