"""Numbers that a candidate leaves open: constants whose other values are worth trying, declared where they are set.

The number on the line is the default, so the file is a program as it stands, in every language::

    BLOCK = 1024  # tune: 256, 512, 1024, 2048
    #define UNROLL 4  // tune: 1..8
    constexpr int TILE = 64;  // tune: 32..256 x2

The first form is Python's, the others stand in the C++ or CUDA text that a file carries. Choosing values writes them
in: what comes out declares nothing any more. Text in, text out; what the numbers mean is the candidate's affair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tools.errors import ToolError

MAX_PARAMETERS = 8
MAX_VALUES = 64
"""Of one parameter."""
LARGEST = 1 << 31

_MARK = re.compile(r"(?:#|//)[ \t]*tune[ \t]*:")
_C_TYPE = r"(?:(?:std::)?(?:size_t|u?int\d+_t)|static|inline|constexpr|const|unsigned|signed|long|short|int|auto)"
_NAME, _DEFAULT = r"(?P<name>[A-Za-z_]\w*)", r"(?P<default>-?\d+)"
_FORMS = tuple(
    re.compile(rf"^(?P<head>[ \t]*{head}){_DEFAULT}{tail}[ \t]*tune[ \t]*:(?P<values>[^\r\n]*?)(?P<end>\s*)$")
    for head, tail in (
        (rf"{_NAME}[ \t]*(?::[^=#]*)?=[ \t]*", r"(?P<tail>[ \t]*,?[ \t]*)(?P<mark>#)"),
        (rf"#[ \t]*define[ \t]+{_NAME}[ \t]+", r"(?P<tail>[ \t]*)(?P<mark>//)"),
        (rf"(?:{_C_TYPE}[ \t]+)+{_NAME}[ \t]*=[ \t]*", r"(?P<tail>[ \t]*;[ \t]*)(?P<mark>//)"),
    )
)
_RANGE = re.compile(r"(-?\d+)(?:\s*\.\.\s*(-?\d+)(?:\s+(?:step\s+(\d+)|x\s*(\d+)))?)?")
_HOW = "write BLOCK = 128  # tune: 64, 128, 256 (in C++: #define or constexpr int, with // tune:)"
_HOW_VALUES = "write 64, 128, 256 or 1..8 or 32..256 step 32 or 64..1024 x2"


_PYTHON_EXAMPLE = """\
```python
BLOCK = 1024  # tune: 256, 512, 1024, 2048
WARPS = 4  # tune: 1..8 x2
```"""
_C_EXAMPLE = """\
```cpp
#define UNROLL 4  // tune: 1, 2, 4, 8
constexpr int TILE = 64;  // tune: 32..256 step 32
```"""
_GUIDE = """\
Numbers that only measuring can settle (block sizes, warps, stages, unrolling, tile widths) need none of your thoughts:
leave them open, one a line, and keep to structure. The number on the line is the default and one of the values; ranges
are `1..8`, `32..256 step 32`, `64..1024 x2` (doubling).

{example}

{where}
Every combination has to be right, or fail with an error: derive what depends on a number from it. At most {parameters}
numbers, few values each. The defaults are judged first; if that comes near the fastest candidate, other values are
measured, and the quickest are written in (`tuned over ...`) and judged as a candidate of their own. After a change of
structure, write `tune:` again where another value may be better now."""
_IN_PYTHON = "Give them to kernels as constants (`BLOCK=BLOCK, num_warps=WARPS`)."
_IN_C = (
    "They stand in the C++ text; where Python needs one too, declare it in Python (`TILE = 64  # tune: 32..256 x2`)\n"
    'and put `f"#define TILE {TILE}\\n"` before that text.'
)


def tuning_guide(language: str) -> str:
    """What a model is told about leaving numbers open in a language."""
    c = language in ("cpp", "cuda")
    example, where = (_C_EXAMPLE, _IN_C) if c else (_PYTHON_EXAMPLE, _IN_PYTHON)
    return _GUIDE.format(example=example, where=where, parameters=MAX_PARAMETERS)


class BadDeclaration(ToolError):
    """A declaration that cannot be read; the message names its line and how to mend it."""


@dataclass(frozen=True)
class Parameter:
    """One number that may be chosen."""

    name: str
    values: tuple[int, ...]
    """In ascending order, each once; the default among them."""
    default: int


Values = Mapping[str, int]


def parameters_of(source: str) -> tuple[Parameter, ...]:
    """What a candidate's text declares, in order. Raises BadDeclaration."""
    found: dict[str, tuple[int, Parameter]] = {}
    for number, line in enumerate(source.split("\n"), 1):
        if not _MARK.search(line):
            continue
        match = _matched(line)
        if match is None:
            raise BadDeclaration(f"line {number}: 'tune:' must follow a whole number given to a name: {_HOW}")
        name, default = match["name"], int(match["default"])
        if name in found:
            raise BadDeclaration(f"line {number}: {name} was declared in line {found[name][0]}: declare a name once")
        values = _values(f"line {number}: {name}", match["values"])
        if default not in values:
            raise BadDeclaration(
                f"line {number}: {name} = {default} is not among the values to try: add {default}, or start from "
                f"{values[0]}"
            )
        found[name] = number, Parameter(name, values, default)
    if len(found) > MAX_PARAMETERS:
        raise BadDeclaration(f"{len(found)} numbers are declared with 'tune:', {MAX_PARAMETERS} may be: fix the others")
    return tuple(parameter for _, parameter in found.values())


def with_values(source: str, values: Values) -> str:
    """The plain program: the values written in where they were declared, and nothing declared any more.

    Raises KeyError for a declared name without a value, BadDeclaration like ``parameters_of``.
    """
    parameters_of(source)
    lines = source.split("\n")
    for place, line in enumerate(lines):
        match = _matched(line) if _MARK.search(line) else None
        if match is not None:
            over = f"{match['mark']} tuned over {match['values'].strip()}{match['end']}"
            lines[place] = f"{match['head']}{values[match['name']]}{match['tail']}{over}"
    return "\n".join(lines)


def defaults(parameters: tuple[Parameter, ...]) -> dict[str, int]:
    """Every number as it is written."""
    return {one.name: one.default for one in parameters}


def settings_of(parameters: tuple[Parameter, ...]) -> int:
    """How many settings there are."""
    return math.prod(len(one.values) for one in parameters)


def values_text(values: Values) -> str:
    """``BLOCK=256 WARPS=8``."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def _matched(line: str) -> re.Match[str] | None:
    return next((match for match in (form.match(line) for form in _FORMS) if match is not None), None)


def _values(where: str, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        if match is None:
            raise BadDeclaration(f"{where}: {item.strip()!r} is neither a number nor a range: {_HOW_VALUES}")
        found.update(_range(where, match))
        if len(found) > MAX_VALUES:
            raise BadDeclaration(f"{where}: more than {MAX_VALUES} values: take larger steps, {_HOW_VALUES}")
    if len(found) < 2:
        raise BadDeclaration(f"{where}: there is nothing to choose from: {_HOW_VALUES}")
    return tuple(sorted(found))


def _range(where: str, match: re.Match[str]) -> list[int]:
    first, last = int(match[1]), int(match[2] or match[1])
    if max(abs(first), abs(last)) >= LARGEST:
        raise BadDeclaration(f"{where}: {match[0]!r} goes beyond 2^31: choose smaller numbers")
    if last < first:
        raise BadDeclaration(f"{where}: {match[0]!r} runs backwards: write the smaller number first")
    if match[4] is None:
        step = int(match[3] or 1)
        if step < 1:
            raise BadDeclaration(f"{where}: {match[0]!r} has a step of 0: {_HOW_VALUES}")
        return list(range(first, last + 1, step)[: MAX_VALUES + 1])
    factor = int(match[4])
    if factor < 2 or first < 1:
        raise BadDeclaration(f"{where}: {match[0]!r} does not grow: start from 1 or more and multiply by 2 or more")
    values = [first]
    while values[-1] * factor <= last:
        values.append(values[-1] * factor)
    return values
