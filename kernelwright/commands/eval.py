"""``kernelwright eval SUITE``: run a suite of problems and score the agent; ``eval compare``: two such scores."""

from __future__ import annotations

import secrets
import shlex
from contextlib import closing
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright import exit_codes
from kernelwright.commands.optimize import to_settings
from kernelwright.live import watching
from kernelwright.output import note, table, write, write_json
from tools.errors import RequestError

if TYPE_CHECKING:
    from agent.settings import AgentSettings
    from evals.comparing import Comparison
    from evals.integrity.corpus import Program
    from evals.reporting import SuiteReport
    from evals.suite import Suite


OWN = (
    "suite",
    "reports",
    "out",
    "only",
    "sample",
    "confirm",
    *("repeats", "arms", "without", "against", "arm", "across", "max_cases", "problems"),
)
"""Options that are no settings of the agent."""


def run(arguments: dict[str, Any]) -> int:
    """Run it, or go on where the same results folder was left; print the report."""
    as_json = arguments.pop("json", False)
    own = {name: arguments.pop(name) for name in OWN if name in arguments}
    _check_options(own)
    if own["suite"] == "compare":
        if arguments:
            raise RequestError("compare judges nothing anew: of the settings none has a meaning here")
        return _compare(own, as_json=as_json)
    if own["suite"] == "integrity":
        settings = _settings(arguments)
        chosen = _chosen(own.get("only"), own.get("sample"), settings)
        return _run_integrity(chosen, settings, confirm=own.get("confirm", False), as_json=as_json)
    return _run_suite(own, arguments, as_json=as_json)


def _check_options(own: dict[str, Any]) -> None:
    """Raise RequestError for options of another suite."""
    kind = own["suite"] if own["suite"] in ("compare", "integrity") else "a suite"
    also = {"compare": {"arm", "across", "out"}, "integrity": {"only", "sample", "confirm", "out"}}.get(
        kind, {"only", "out", "repeats", "arms", "without", "against", "across", "max_cases", "problems"}
    )
    strange = sorted(name for name in own if name not in also | {"suite", "reports"})
    if strange:
        raise RequestError(
            f"--{strange[0].replace('_', '-')} has no meaning with {kind} (see kernelwright eval --help)"
        )
    run_only = sorted(own.keys() & {"out", "repeats", "arms", "without", "against", "across"})
    if "problems" in own and run_only:
        raise RequestError(f"--{run_only[0]} has no meaning with --problems, which runs nothing")
    reports = own.get("reports") or []
    if (kind == "compare") != (len(reports) == 2) or (reports and kind != "compare"):
        raise RequestError("two reports are compared: kernelwright eval compare BEFORE AFTER")
    if own.get("repeats", 1) < 1:
        raise RequestError(f"--repeats {own['repeats']}: one at least")


def _settings(arguments: dict[str, Any], **fixed: Any) -> AgentSettings:
    """Command line over what a suite fixes over the rest."""
    from agent.settings import AgentSettings

    return AgentSettings.load({**fixed, **to_settings(arguments)})


def _run_suite(own: dict[str, Any], arguments: dict[str, Any], *, as_json: bool) -> int:
    from evals.arms import chosen_arms, licensed
    from evals.page import to_markdown
    from evals.reporting import read_suite_report
    from evals.runner import run_suite
    from evals.writing import to_json

    name, out = own["suite"], own.get("out")
    suite, fixed = _opened(own, arguments)
    if "problems" in own:
        return _write_problems(suite, Path(own["problems"]), as_json=as_json)
    settings = _settings(arguments, **fixed)
    former = None if own.get("against") is None else read_suite_report(Path(own["against"]))
    if "atol" in fixed:
        note(f"judged as the dataset states: atol {fixed['atol']:g}, rtol {fixed['rtol']:g}; --precision is above it")
    arms = chosen_arms(own["arms"].split(",") if "arms" in own else None, settings)
    if licensed(settings, arms) is not settings:
        note("judged under the licence tolerance, as one-shot benchmarks are; --precision native is the other one")
    folder = Path(out or f"eval-{suite.name}").absolute()
    with watching() as watcher:
        report = run_suite(
            suite,
            settings,
            folder,
            arms=arms,
            repeats=own.get("repeats", 1),
            ablated=own.get("without", ()),
            notice=note,
            subscribers=(watcher,),
            command=_spelled(name, {**arguments, **own}),
        )
    found = None if former is None else _against(former, report, folder, across=own.get("across", False))
    if as_json:
        write_json(to_json(report) | ({} if found is None else {"against": found.to_json()}))
    else:
        write(to_markdown(report).rstrip())
        if found is not None:
            write("\n" + _comparison_text(found))
        note(f"results: {folder}")
    return report.exit_code or (0 if found is None else found.exit_code)


def _opened(own: dict[str, Any], arguments: dict[str, Any]) -> tuple[Suite, dict[str, Any]]:
    """The suite, and what it fixes of the settings."""
    from evals.opening import is_foreign, open_foreign
    from evals.suite import load_suite

    name, most = own["suite"], own.get("max_cases")
    if is_foreign(name):
        suite = open_foreign(name, _settings(arguments), most)
        # What a dataset states is a licence as a whole: nobody wants its atol under another precision.
        fixed = {} if {"precision", "atol", "rtol"} & arguments.keys() else dict(suite.settings)
    elif most is not None:
        raise RequestError(f"--max-cases has no meaning with {name}: its problem files say which cases they have")
    else:
        suite = load_suite(name)
        fixed = dict(suite.settings)
        if "target" in arguments:
            raise RequestError(f"--target has no meaning with {name}: the suite itself says {suite.target}")
    return suite if own.get("only") is None else suite.only(own["only"]), fixed


def _write_problems(suite: Suite, folder: Path, *, as_json: bool) -> int:
    """Write the suite's problem files, and run nothing."""
    from evals.listing import write_problems

    found = write_problems(suite, folder)
    if as_json:
        write_json(found)
        return exit_codes.DONE
    rows = [(row["name"], row["family"], row["path"] or f"no problem: {row['refusal']}") for row in found["problems"]]
    write(table(rows, ("problem", "family", "file")))
    refused = sum(row["refusal"] is not None for row in found["problems"])
    note(f"{len(rows) - refused} problems written to {folder}, {refused} are none")
    return exit_codes.DONE


def _against(former: SuiteReport, report: SuiteReport, folder: Path, *, across: bool) -> Comparison | None:
    """The comparison with a former report, written beside the new one; None where the run was interrupted."""
    from evals.comparing import compare
    from evals.results import ResultsFolder
    from evals.writing import write_comparison

    if report.status == "interrupted":
        note("not compared yet: the evaluation was interrupted")
        return None
    found = compare(former, report, across=across)
    write_comparison(found, ResultsFolder(folder))
    return found


def _compare(own: dict[str, Any], *, as_json: bool) -> int:
    """Two reports that are there; 1 if the second one is worse."""
    from evals.arms import AGENT, ARMS
    from evals.comparing import compare
    from evals.reporting import read_suite_report
    from evals.results import ResultsFolder
    from evals.writing import write_comparison

    before, after = (read_suite_report(Path(path)) for path in own["reports"])
    arm = own.get("arm", AGENT)
    if arm not in ARMS:
        raise RequestError(f"--arm: there is no arm {arm!r}: give one of {', '.join(ARMS)}")
    found = compare(before, after, arms=(arm, arm), across=own.get("across", False))
    if "out" in own:
        write_comparison(found, ResultsFolder(Path(own["out"]).absolute()))
    if as_json:
        write_json(found.to_json())
    else:
        write(_comparison_text(found))
    return found.exit_code


def _comparison_text(found: Comparison) -> str:
    """The page without its picture: a terminal shows none."""
    from evals.page import comparison_page

    lines = [line for line in comparison_page(found).splitlines() if not line.startswith("![")]
    return "\n".join(lines).rstrip()


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


def _spelled(name: str, options: dict[str, Any]) -> str:
    """The command line that would do this again, for the report."""
    words = ["kernelwright", "eval", name]
    for option, value in options.items():
        if option in ("suite", "reports"):
            continue
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                words += [f"--{option.replace('_', '-')}", *([] if one is True else [str(one)])]
    return shlex.join(words)
