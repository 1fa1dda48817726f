"""``kernelwright eval SUITE``: run a suite of problems and score the agent."""

from __future__ import annotations

import secrets
import shlex
from contextlib import closing
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright.commands.optimize import to_settings
from kernelwright.live import watching
from kernelwright.output import note, write, write_json
from tools.errors import RequestError

if TYPE_CHECKING:
    from agent.settings import AgentSettings
    from evals.integrity.corpus import Program


def run(arguments: dict[str, Any]) -> int:
    """Run it, or go on where the same results folder was left; print the report."""
    from agent.settings import AgentSettings
    from evals.kernelbench import PREFIX, load_kernelbench
    from evals.runner import run_suite
    from evals.suite import load_suite

    as_json = arguments.pop("json", False)
    name, out, only = arguments.pop("suite"), arguments.pop("out", None), arguments.pop("only", None)
    sample, confirm = arguments.pop("sample", None), arguments.pop("confirm", False)
    if name == "integrity":
        settings = AgentSettings.load(to_settings(arguments))
        return _run_integrity(_chosen(only, sample, settings), settings, confirm=confirm, as_json=as_json)
    if sample is not None or confirm:
        raise RequestError("--sample and --confirm are for the suite integrity")
    settings = AgentSettings.load(to_settings(arguments))
    suite = load_kernelbench(name, settings.target) if name.startswith(PREFIX) else load_suite(name)
    suite = suite if only is None else suite.only(only)
    folder = Path(out or f"eval-{suite.name}").absolute()
    with watching() as watcher:
        report = run_suite(
            suite,
            settings,
            folder,
            notice=note,
            subscribers=(watcher,),
            command=_spelled(name, out, arguments | {"only": only}),
        )
    if as_json:
        write_json(report.to_json())
    else:
        write(report.to_markdown().rstrip())
        note(f"results: {folder}")
    return report.exit_code


def _chosen(only: str | None, sample: int | None, settings: AgentSettings) -> tuple[list[Program], int]:
    """The programs to be judged, and how many are left out because they need a GPU."""
    from evals.integrity.corpus import drawn, load_corpus

    needs = "cpu" if settings.target == "cpu" else "cuda"
    programs = [item for item in _installed(load_corpus(needs)) if only is None or fnmatch(item.name, only)]
    if not programs:
        raise RequestError(f"no program of the corpus is called {only}: give a name, or a pattern such as 't0*'")
    if sample is not None:
        if sample < 1:
            raise RequestError(f"--sample {sample}: draw one program at least")
        seed = secrets.randbits(32)
        programs = drawn(programs, sample, seed)
        note(f"{len(programs)} programs, drawn with seed {seed}")
    whole = only is None and sample is None and needs == "cpu"
    return programs, len(load_corpus("cuda")) if whole else 0


def _installed(programs: list[Program]) -> list[Program]:
    """Those whose packages are here: it says nothing about the judge that one cannot be imported."""
    missing = {item.package for item in programs if item.package and find_spec(item.package) is None}
    for package in sorted(missing):
        count = sum(item.package == package for item in programs)
        note(f"{count} programs are left out: {package} is not installed")
    return [item for item in programs if item.package not in missing]


def _run_integrity(chosen: tuple[list[Program], int], settings: AgentSettings, *, confirm: bool, as_json: bool) -> int:
    """Judge the adversarial corpus; the table attack by verdict."""
    from datetime import UTC, datetime

    from agent.folder import package_version
    from evals.integrity.reporting import IntegrityReport, line_of
    from evals.integrity.running import ON_DEVICE, SETTINGS, Outcome, run_corpus
    from sandbox.opening import open_sandbox

    programs, skipped = chosen
    judging = SETTINGS if settings.target == "cpu" else ON_DEVICE
    with closing(open_sandbox(settings.isolation)) as sandbox:
        if not sandbox.isolation.is_boundary:
            raise RequestError("the attacks run only in a sandbox: apt-get install bubblewrap")
        outcomes: list[Outcome] = []
        report = IntegrityReport(
            outcomes,  # filled below
            str(sandbox.isolation),
            package_version(),
            datetime.now(UTC).strftime("%Y-%m-%d"),
            skipped=skipped,
        )

        def heard(outcome: Outcome) -> None:
            outcomes.append(outcome)
            note(line_of(outcome))

        try:
            run_corpus(
                programs,
                sandbox,
                settings.home,
                settings=judging,
                target=settings.target,
                confirm=confirm,
                notice=heard,
            )
        except BaseException:  # an hour's work is shown, whatever ended it
            if outcomes:
                note(report.to_markdown().rstrip())
                note(f"ended after {len(outcomes)} of {len(programs)} programs")
            raise
    if as_json:
        write_json(report.to_json())
    else:
        write(report.to_markdown().rstrip())
    return report.exit_code


def _spelled(name: str, out: str | None, arguments: dict[str, Any]) -> str:
    """The command line that would do this again, for the report."""
    words = ["kernelwright", "eval", name]
    for option, value in {**arguments, "out": out}.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                words += [f"--{option.replace('_', '-')}", *([] if one is True else [str(one)])]
    return shlex.join(words)
