"""A suite of torch's own operators, with the samples of torch's own tests (OpInfo) as cases.

``opinfo``, ``opinfo:PATTERN`` or ``opinfo:PATTERN:DTYPE``, as ``opinfo:nn.functional.*:bfloat16``. Which operators
there are is asked of the torch that will run them, in a sandbox; each problem's text takes the samples from there, too.
So nothing is listed here that could become wrong with another version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from fnmatch import fnmatchcase
from typing import Any, Final

from evals.errors import ListingFailed, SuiteError
from evals.formats.members import plain_name, refused, with_own_names
from evals.opinfo_text import TEXT
from evals.suite import Suite, SuiteProblem
from sandbox.base import Isolation, Job, Limits, Mount
from sandbox.opening import open_sandbox
from tools.launching import HARNESS_MOUNT, HARNESS_SOURCE
from tools.problem import Problem

NAME: Final = "opinfo"
USUAL_DTYPE: Final = "float32"
MOST: Final = 8
"""Samples of an operator that become cases, where nobody says how many."""
_FAMILIES: Final = {
    "UnaryUfuncInfo": "unary",
    "BinaryUfuncInfo": "binary",
    "ReductionOpInfo": "reduction",
    "SpectralFuncInfo": "fft",
    "ShapeFuncInfo": "shape",
}
_LISTING_S: Final = 300.0


def is_opinfo(name: str) -> bool:
    """Whether a suite's name is meant for this file."""
    return name == NAME or name.startswith(f"{NAME}:")


def load_opinfo(text: str, target: str, isolation: Isolation | None, most: int | None = None) -> Suite:
    """The suite of this name. ``most``: samples of an operator that become cases.

    An operator that does not take the dtype is a member that says so; what else cannot be judged is told when its
    problem is opened. Raises SuiteError, one line, ListingFailed, or SandboxError.
    """
    pattern, dtype = _asked(text)
    listing = list_operators(isolation, target.partition(":")[0])
    known = {name for item in listing["operators"] for name in item["dtypes"]}
    if dtype not in known:
        raise SuiteError(f"no operator takes {dtype}: give one of {', '.join(sorted(known))}")
    chosen = [item for item in listing["operators"] if _matches(_spelled(item), pattern)]
    if not chosen:
        raise SuiteError(
            f"no operator of torch {listing['torch']} with samples is called {pattern}: give a name, or a pattern such "
            "as 'nn.functional.*'"
        )
    members = [_member(item, dtype, target, most or MOST) for item in chosen]
    told = f"Operators of torch in {dtype}, on samples of its own tests (OpInfo), which are small."
    return Suite(NAME if dtype == USUAL_DTYPE else f"{NAME}-{dtype}", told, target, with_own_names(members))


def list_operators(isolation: Isolation | None, device: str) -> dict[str, Any]:
    """What ``tools/harness/opinfo_listing.py`` writes in the sandbox. Raises ListingFailed, SandboxError."""
    mount = Mount(HARNESS_SOURCE, HARNESS_MOUNT)
    with closing(open_sandbox(isolation)) as sandbox:
        program = f"{sandbox.path_inside(mount)}/opinfo_listing.py"
        limits = Limits(wall_s=_LISTING_S, output_bytes=8 << 20)
        done = sandbox.run(Job((*sandbox.python, program, device), mounts=(mount,), limits=limits))
    if not done.ok:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.exit_code}"]
        raise ListingFailed(f"torch in the sandbox could not list its operators ({said[0][:200]}): see doctor")
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise ListingFailed("torch in the sandbox listed its operators in no form that is known here") from error
    return found


def _asked(text: str) -> tuple[str, str]:
    """Pattern and dtype."""
    _, _, rest = text.partition(":")
    pattern, _, dtype = rest.partition(":")
    return pattern or "*", dtype.removeprefix("torch.") or USUAL_DTYPE


def _matches(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, one.strip()) for one in patterns.split(","))


def _spelled(operator: Mapping[str, Any]) -> str:
    return f"{operator['name']}.{operator['variant']}" if operator["variant"] else str(operator["name"])


def _member(operator: Mapping[str, Any], dtype: str, target: str, most: int) -> SuiteProblem:
    name = _spelled(operator)
    family = _FAMILIES.get(operator["kind"]) or (operator["name"].rpartition(".")[0] or "torch")
    if dtype not in operator["dtypes"]:
        why = f"{name} does not take {dtype} on {target}: it takes {', '.join(operator['dtypes']) or 'nothing'}"
        return refused(name, family, why)
    words = {
        "<NAME>": repr(operator["name"]),
        "<VARIANT>": repr(operator["variant"]),
        "<DTYPE>": f"torch.{dtype}",
        "<MOST>": str(most),
        "<FUNCTION>": operator["function"].replace("._VariableFunctionsClass.", ".") or "a lambda of torch's tests",
        "<SPELLED>": name,
    }
    text = TEXT
    for word, value in words.items():
        text = text.replace(word, value)
    return SuiteProblem(Problem(plain_name(name), text), family)
