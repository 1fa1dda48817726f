"""Suites from a SOL-ExecBench dataset; its files are read, never changed.

A problem is a folder with ``definition.json`` and ``workload.jsonl``. ``sol:PATH`` names one, or any folder above
them, such as the dataset (``L1``, ``L2``, ``Quant``, ``FlashInfer-Bench``). The collection is the family.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evals.errors import SuiteError
from evals.formats.members import Member, make_member, plain_name, read_lines, refused, to_suite
from evals.formats.stored import Store, roots_of
from evals.suite import Suite

PREFIX: Final = "sol:"
DEFINITION: Final = "definition.json"
WORKLOADS: Final = "workload.jsonl"


def load_sol(text: str, target: str, most: int | None = None) -> Suite:
    """The suite that ``sol:PATH`` names. ``most``: workloads of a problem that become cases.

    A definition that cannot be a problem is a member that says why. Raises SuiteError, one line.
    """
    top = Path(text.removeprefix(PREFIX)).expanduser().resolve()
    if not top.is_dir():
        raise SuiteError(f"no folder {top}: give a SOL-ExecBench dataset, or one of its problems")
    folders = sorted({file.parent for name in (DEFINITION, WORKLOADS) for file in top.rglob(name)})
    if not folders:
        raise SuiteError(f"{top} holds no problems: one is a folder with {DEFINITION} and {WORKLOADS}")
    members = [_member(folder, top, target, most) for folder in folders]
    whole = "sol-execbench" if len(folders) > 1 or folders[0] != top else f"sol-execbench-{plain_name(top.name)}"
    return to_suite(whole, "Problems of a SOL-ExecBench dataset, their workloads as cases.", target, members)


def _member(folder: Path, top: Path, target: str, most: int | None) -> Member:
    name = "_".join(folder.relative_to(top).parts) or folder.name
    family = folder.parent.name
    for needed in (DEFINITION, WORKLOADS):
        if not (folder / needed).is_file():
            return Member(refused(name, family, f"{folder.name} has no {needed}"))
    return make_member(
        folder / DEFINITION,
        name,
        family,
        read_lines(folder / WORKLOADS),
        Store(roots_of(folder, folder)),
        origin=f"SOL-ExecBench problem {folder.parent.name}/{folder.name}",
        target=target,
        most=most,
    )
