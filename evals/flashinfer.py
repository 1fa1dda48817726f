"""Suites from a FlashInfer-Trace dataset; its files are read, never changed.

``flashinfer:PATH`` names the folder with ``definitions/**/NAME.json`` and ``workloads/**/NAME.jsonl``, or a checkout
of flashinfer-bench, which has it one folder further down. The compute category is the family.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from evals.errors import SuiteError
from evals.formats.members import Line, Member, make_member, read_lines, refused, to_suite
from evals.formats.schema import FormatError, read_definition
from evals.formats.stored import Store, roots_of
from evals.suite import Suite

PREFIX: Final = "flashinfer:"
_BELOW: Final = ("", "flashinfer_trace", "flashinfer-trace")


def load_flashinfer(text: str, target: str, most: int | None = None) -> Suite:
    """The suite that ``flashinfer:PATH`` names. ``most``: workloads of a definition that become cases.

    A definition that cannot be a problem is a member that says why. Raises SuiteError, one line.
    """
    root = _root(Path(text.removeprefix(PREFIX)).expanduser())
    files = {file: _name(file) for file in sorted((root / "definitions").rglob("*.json"))}
    if not files:
        raise SuiteError(f"{root} holds no definitions: files are called like definitions/rmsnorm/rmsnorm_h4096.json")
    _require_unique(files)
    lines = _workloads(root)
    store = Store(roots_of(root, root))
    members = []
    for file, name in files.items():
        place = file.relative_to(root).as_posix()
        origin = f"FlashInfer-Trace definition {place}"
        family = file.parent.name if file.parent != root / "definitions" else ""
        own = lines.pop(name, [])
        members.append(make_member(file, name, family, own, store, origin=origin, target=target, most=most))
    for name, orphans in sorted(lines.items()):
        why = next((line.error for line in orphans if line.error), "")
        members.append(Member(refused(name, "", why or f"workloads of {name}, which no definition is called")))
    told = "Definitions of a FlashInfer-Trace dataset, their workloads as cases."
    return to_suite("flashinfer-trace", told, target, members)


def _root(path: Path) -> Path:
    if not path.is_dir():
        raise SuiteError(f"no folder {path}: give a FlashInfer-Trace dataset, the folder with definitions/")
    for below in _BELOW:
        if (path / below / "definitions").is_dir():
            return path / below
    raise SuiteError(f"{path} has no folder definitions/: give a FlashInfer-Trace dataset")


def _name(file: Path) -> str:
    """What workloads call it: its name as it says, or its file's where that cannot be read."""
    try:
        return read_definition(file.read_bytes()).name
    except (FormatError, OSError):
        return file.stem


def _require_unique(files: dict[Path, str]) -> None:
    seen: dict[str, Path] = {}
    for file, name in files.items():
        if name in seen:
            raise SuiteError(f"two definitions are called {name}: {seen[name]} and {file}: take one of them away")
        seen[name] = file


def _workloads(root: Path) -> dict[str, list[Line]]:
    """By the definition that their lines name; a line that names none belongs to the one that its file is called."""
    found: dict[str, list[Line]] = defaultdict(list)
    for file in sorted((root / "workloads").rglob("*.jsonl")):
        for line in read_lines(file):
            found[line.definition or file.stem].append(line)
    return dict(found)
