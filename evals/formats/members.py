"""Definitions as members of a suite: a problem each, or why there is none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from evals.formats.composing import compose
from evals.formats.schema import FormatError, Workload, named, read_definition, read_workload
from evals.formats.stored import Store
from evals.suite import Suite, SuiteProblem
from tools.problem import Problem

_STRANGE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Line:
    """One workload as its file has it."""

    workload: Workload | None
    definition: str | None
    """Which one the line names."""
    error: str = ""
    """Why there is no workload, one line."""


@dataclass(frozen=True)
class Member:
    """A member, and the workloads behind it."""

    problem: SuiteProblem
    workloads: tuple[Workload, ...] = ()


def read_lines(path: Path) -> list[Line]:
    """The workloads of a file, one a line; what is wrong is said in place of one. A file that cannot be read is one
    such line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        return [Line(None, None, f"cannot read {path.name}: {error.strerror}")]
    found = []
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            definition, workload = read_workload(line)
            found.append(Line(workload, definition))
        except FormatError as error:
            found.append(Line(None, named(line), f"{path.name}:{number}: {error}"))
    return found


def make_member(
    file: Path,
    name: str,
    family: str,
    lines: Sequence[Line],
    store: Store,
    *,
    origin: str,
    target: str,
    most: int | None,
) -> Member:
    """The member that a definition's file and its workloads make."""
    raw = b""
    workloads: tuple[Workload, ...] = ()
    try:
        raw = file.read_bytes()
        definition = read_definition(raw)
        broken = [line.error for line in lines if line.error]
        if broken:
            raise FormatError(broken[0])
        workloads = tuple(line.workload for line in lines if line.workload is not None)
        text = compose(definition, workloads, store, origin=origin, target=target, most=most)
    except FormatError as error:
        return Member(refused(name, family, f"{file.name}: {error}", raw))
    except OSError as error:
        return Member(refused(name, family, f"cannot read {file}: {error.strerror}", raw))
    return Member(SuiteProblem(Problem(plain_name(name), text), family or definition.op_type or ""), workloads)


def refused(name: str, family: str, why: str, raw: bytes = b"") -> SuiteProblem:
    """A member that says why it is no problem."""
    return SuiteProblem(Problem(plain_name(name), ""), family, refusal=why, sha256=hashlib.sha256(raw).hexdigest())


def to_suite(name: str, description: str, target: str, members: Sequence[Member]) -> Suite:
    """The suite of these members, each with a name of its own, and with the licence that all of them state."""
    problems = with_own_names([member.problem for member in members])
    return Suite(name, description, target, problems, stated_tolerance(members))


def with_own_names(problems: Iterable[SuiteProblem]) -> tuple[SuiteProblem, ...]:
    """The same, numbered where a name comes again: names that differ may be alike once files can have them."""
    taken: set[str] = set()
    found = []
    for item in problems:
        name, count = item.name, 1
        while name in taken:
            count += 1
            name = f"{item.name}-{count}"
        taken.add(name)
        found.append(replace(item, problem=Problem(name, item.problem.source)))
    return tuple(found)


def plain_name(text: str) -> str:
    """A name that files can have."""
    return _STRANGE.sub("_", text).strip(".") or "unnamed"


def stated_tolerance(members: Iterable[Member]) -> dict[str, Any]:
    """The licence that every workload of every problem states, as settings; empty where they differ or state none.

    A score has one licence. Shares of elements that may be wrong are no licence here: all have to be right.
    """
    stated = set()
    for workload in (one for member in members for one in member.workloads):
        given = workload.tolerance
        if given is None or given.max_atol is None or given.max_rtol is None or given.max_error_cap is not None:
            return {}
        stated.add((given.max_atol, given.max_rtol))
    if len(stated) != 1:
        return {}
    atol, rtol = stated.pop()
    return {"precision": "tolerance", "atol": atol, "rtol": rtol}
