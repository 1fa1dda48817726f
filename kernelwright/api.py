"""What other programs call: the same engine as the command line, without a terminal.

Settings are given by name (``max_seconds=60``, ``target="cpu"``) and are completed from the environment,
``kernelwright.toml`` and the defaults, exactly as on the command line; ``agent.settings`` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright.in_thread import in_thread
from tools.errors import RequestError

if TYPE_CHECKING:
    from agent.events import Subscriber
    from agent.plans.folder import PlanFolder
    from agent.run import Outcome
    from agent.settings import AgentSettings
    from agent.starting import Start
    from agent.stopping import StopFlag
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
    return _optimize(problem, start, subscribers, settings, None)


async def optimize_async(
    problem: Path | str,
    *,
    start: Path | str | Iterable[Path | str] = (),
    subscribers: Iterable[Subscriber] = (),
    **settings: Any,
) -> Outcome:
    """``optimize`` in a thread. ``subscribers`` are called there.

    Cancelling stops the run at its next boundary and keeps its state; CancelledError comes once that is done, and
    ``resume`` goes on with the run (its id is in the event ``run_started``, its folder may be given as ``out``).
    """
    from agent.stopping import StopFlag

    stop = StopFlag()
    return await in_thread(partial(_optimize, problem, start, subscribers, settings, stop), stop)


def _optimize(
    problem: Path | str,
    start: Path | str | Iterable[Path | str],
    subscribers: Iterable[Subscriber],
    settings: dict[str, Any],
    stop: StopFlag | None,
) -> Outcome:
    from agent.run import Seams
    from agent.run import optimize as run
    from agent.settings import AgentSettings
    from tools.problem import load_problem

    loaded = AgentSettings.load(settings)
    work = partial(run, load_problem(Path(problem)), loaded, starts=_starts(start), subscribers=tuple(subscribers))
    return work() if stop is None else work(seams=Seams(stop=stop))


def resume(run_id: Path | str, *, subscribers: Iterable[Subscriber] = ()) -> Outcome:
    """Go on with an interrupted run, given by id or folder; no candidate is judged twice.

    Raises as ``optimize``.
    """
    from agent.run import resume as run

    return run(run_folder(run_id), subscribers=tuple(subscribers))


def prepare(problem: Path | str, *, start: Path | str | Iterable[Path | str] = (), **settings: Any) -> Path:
    """Make the folder of a run that ``resume`` then begins, and check everything as far as nothing has to be run.

    Raises as ``optimize``.
    """
    from agent.run import prepare as make
    from agent.settings import AgentSettings
    from tools.problem import load_problem

    loaded = AgentSettings.load(settings)
    return make(load_problem(Path(problem)), loaded, starts=_starts(start)).path


async def resume_async(run_id: Path | str, *, subscribers: Iterable[Subscriber] = ()) -> Outcome:
    """``resume`` in a thread; cancelling is as of ``optimize_async``."""
    from agent.run import Seams
    from agent.run import resume as run
    from agent.stopping import StopFlag

    stop = StopFlag()
    folder = run_folder(run_id)
    return await in_thread(partial(run, folder, subscribers=tuple(subscribers), seams=Seams(stop=stop)), stop)


def evaluate(problem: Path | str, candidate: Path | str, *, notice: Notice | None = None, **settings: Any) -> Verdict:
    """Judge one candidate file. It counts as hostile: it runs only in a sandbox worth the name, unless
    ``allow_unsandboxed``. Raises as ``optimize``; a rejection is a verdict, not an error.
    """
    from agent.settings import AgentSettings
    from sandbox.leases import Patience
    from tools.candidate import Candidate
    from tools.opening import single_judge
    from tools.problem import load_problem

    loaded = AgentSettings.load(settings)
    loaded.check()
    subject = load_problem(Path(problem))
    attempt = Candidate(source=read_candidate(Path(candidate)), language=loaded.language)
    about: dict[str, Any] = {"language": loaded.language, "target": loaded.target, "seed": loaded.seed}
    about["patience"] = Patience(_telling(notice))
    with (
        closing(open_boundary(loaded)) as sandbox,
        single_judge(subject, sandbox, loaded.judging, loaded.home, **about) as judge,
    ):
        verdict = judge.judge(attempt, notice)
        # Once more, with everything fresh: what it was judged with first, it may have learned from.
        return judge.confirm(attempt, notice) if verdict.status == "accepted" else verdict


def _telling(notice: Notice | None) -> Callable[[str], AbstractContextManager[None]]:
    """Says that a turn is waited for, and for whom."""

    def waiting(text: str) -> AbstractContextManager[None]:
        if notice is not None:
            notice(f"waits {text}")
        return nullcontext()

    return waiting


async def evaluate_async(
    problem: Path | str, candidate: Path | str, *, notice: Notice | None = None, **settings: Any
) -> Verdict:
    """``evaluate`` in a thread. ``notice`` is called there.

    Cancelling ends the judgement at its next notice (seconds, while it checks and times); CancelledError comes once
    that is done. There is no state to keep: a judgement is made whole or not at all.
    """
    from agent.stopping import StopFlag

    stop = StopFlag()

    def tell(text: str) -> None:
        stop.check()
        if notice is not None:
            notice(text)

    return await in_thread(partial(evaluate, problem, candidate, notice=tell, **settings), stop)


def run_folder(run_id: Path | str) -> Path:
    """The folder of a run given by id, the beginning of an id, or folder. Raises RequestError."""
    from agent.runs import find_run
    from agent.settings import AgentSettings

    return find_run(run_id, AgentSettings.load().home)


def find_plan_or_run(name: Path | str) -> tuple[PlanFolder | None, Path]:
    """The plan (None for a run) and the folder of what is given by id, the beginning of one, or folder.

    Raises RequestError for what is neither, or the beginning of several.
    """
    from agent.plans.folder import find_plan
    from agent.settings import AgentSettings

    plan = find_plan(name, AgentSettings.load().home)
    return (plan, plan.path) if plan is not None else (None, run_folder(name))


def _starts(start: Path | str | Iterable[Path | str]) -> tuple[Start, ...]:
    from agent.starting import to_starts

    return to_starts([Path(one) for one in ((start,) if isinstance(start, str | Path) else start)], read_candidate)


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
