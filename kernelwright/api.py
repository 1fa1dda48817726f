"""What other programs call: the same engine as the command line, without a terminal.

Settings are given by name (``max_seconds=60``, ``target="cpu"``) and are completed from the environment,
``kernelwright.toml`` and the defaults, exactly as on the command line; ``agent.settings`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import RequestError

if TYPE_CHECKING:
    from agent.events import Subscriber
    from agent.run import Outcome
    from agent.settings import AgentSettings
    from sandbox.base import Sandbox
    from tools.judge import Notice
    from tools.verdict import Verdict

MAX_CANDIDATE_BYTES = 1 << 20


def optimize(
    problem: Path | str,
    *,
    start: Path | str | Iterable[Path | str] = (),
    subscribers: Iterable[Subscriber] = (),
    **settings: Any,
) -> Outcome:
    """Make the operator in a problem file faster; ``subscribers`` are called with every event.

    ``start``: one or several candidate files of yours, which are judged first, built upon, and have to be beaten.

    Raises RequestError (the request is wrong), or an error of the room whose infrastructure failed.
    """
    from agent.run import optimize as run
    from agent.settings import AgentSettings
    from agent.starting import to_starts
    from tools.problem import load_problem

    loaded = AgentSettings.load(settings)
    paths = [Path(one) for one in ((start,) if isinstance(start, str | Path) else start)]
    starts = to_starts(paths, read_candidate)
    return run(load_problem(Path(problem)), loaded, starts=starts, subscribers=tuple(subscribers))


def resume(run_id: Path | str, *, subscribers: Iterable[Subscriber] = ()) -> Outcome:
    """Go on with an interrupted run, given by id or folder; no candidate is judged twice.

    Raises as ``optimize``.
    """
    from agent.run import resume as run

    return run(run_folder(run_id), subscribers=tuple(subscribers))


def evaluate(problem: Path | str, candidate: Path | str, *, notice: Notice | None = None, **settings: Any) -> Verdict:
    """Judge one candidate file. It counts as hostile: it runs only in a sandbox worth the name, unless
    ``allow_unsandboxed``. Raises as ``optimize``; a rejection is a verdict, not an error.
    """
    from agent.settings import AgentSettings
    from tools.candidate import Candidate
    from tools.opening import single_judge
    from tools.problem import load_problem

    loaded = AgentSettings.load(settings)
    loaded.check()
    subject = load_problem(Path(problem))
    attempt = Candidate(source=read_candidate(Path(candidate)), language=loaded.language)
    about = {"language": loaded.language, "target": loaded.target, "seed": loaded.seed}
    with (
        closing(open_boundary(loaded)) as sandbox,
        single_judge(subject, sandbox, loaded.judging, loaded.home, **about) as judge,
    ):
        verdict = judge.judge(attempt, notice)
        # Once more, with everything fresh: what it was judged with first, it may have learned from.
        return judge.confirm(attempt, notice) if verdict.status == "accepted" else verdict


def run_folder(run_id: Path | str) -> Path:
    """The folder of a run given by id, the beginning of an id, or folder. Raises RequestError."""
    from agent.runs import find_run
    from agent.settings import AgentSettings

    return find_run(run_id, AgentSettings.load().home)


def read_candidate(path: Path) -> str:
    """A candidate file's text. Raises RequestError for what is no such file; its mistakes are the judge's."""
    if not path.exists():
        raise RequestError(f"no candidate file at {path}: give the path of a Python file with class ModelNew")
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give the path of one candidate file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > MAX_CANDIDATE_BYTES:
        raise RequestError(f"{path} is {len(raw)} bytes: a candidate has at most {MAX_CANDIDATE_BYTES}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def open_boundary(settings: AgentSettings) -> Sandbox:
    """A sandbox for code nobody vouches for.

    Raises RequestError where there is none and nobody allowed less.
    """
    from sandbox.opening import open_sandbox

    sandbox = open_sandbox(settings.isolation)
    if sandbox.isolation.is_boundary or settings.allow_unsandboxed:
        return sandbox
    sandbox.close()
    raise RequestError(
        "there is no sandbox to run this candidate in: apt-get install bubblewrap, or trust it with --allow-unsandboxed"
    )
