"""A suite in somebody else's format, by what it is called on the command line."""

from __future__ import annotations

from agent.settings import AgentSettings
from evals.errors import SuiteError
from evals.flashinfer import PREFIX as FLASHINFER
from evals.flashinfer import load_flashinfer
from evals.kernelbench import PREFIX as KERNELBENCH
from evals.kernelbench import load_kernelbench
from evals.opinfo import is_opinfo, load_opinfo
from evals.sol import PREFIX as SOL
from evals.sol import load_sol
from evals.suite import Suite


def is_foreign(name: str) -> bool:
    """Whether a suite's name says a format and not a file of ours."""
    return name.startswith((KERNELBENCH, FLASHINFER, SOL)) or is_opinfo(name)


def open_foreign(name: str, settings: AgentSettings, most: int | None = None) -> Suite:
    """The suite of this name, for the target of these settings. Raises SuiteError, one line; EvalError, SandboxError.

    ``most``: cases of a problem, in the formats whose problems have a set of workloads or samples.
    """
    if most is not None and most < 1:
        raise SuiteError(f"--max-cases {most}: one at least")
    if name.startswith(FLASHINFER):
        return load_flashinfer(name, settings.target, most)
    if name.startswith(SOL):
        return load_sol(name, settings.target, most)
    if is_opinfo(name):
        return load_opinfo(name, settings.target, settings.isolation, most)
    if most is not None:
        raise SuiteError("--max-cases: KernelBench's problems have one case each")
    return load_kernelbench(name, settings.target)
