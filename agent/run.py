"""The composition root: opens what a run needs, drives the graph, and says how it ended.

``optimize`` begins a run and ``resume`` goes on with one; ``list_runs`` and ``find_run`` find them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.activity import Activity
from agent.deps import Deps, Proposer
from agent.driving import drive
from agent.events import EventLog, Subscriber, read_events
from agent.folder import RunFolder, create_folder, open_folder
from agent.ledger import Ledger
from agent.models.opening import make_models, open_roster
from agent.models.waiting import Clock
from agent.outcome import Outcome
from agent.policies.registry import make_policy
from agent.runs import find_run, finished_outcome, list_runs
from agent.settings import AgentSettings
from agent.space import Space, free_bytes
from agent.starting import Start, check_starts
from agent.steering import Steering
from agent.stopping import StopFlag
from agent.tracing import open_tracing
from agent.waits import waiting_for_device
from memory.errors import KnowledgeError
from memory.knowledge.base import KnowledgeBase
from memory.store import ExperienceStore
from sandbox.leases import Patience
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.judge import Judge
from tools.problem import Problem

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from sandbox.base import Sandbox

__all__ = ["Outcome", "Seams", "find_run", "list_runs", "optimize", "prepare", "resume"]

INSTALL_A_SANDBOX = "install one (apt-get install bubblewrap) or pass --allow-unsandboxed"


@dataclass(frozen=True)
class Seams:
    """What is put in place of the real thing, None for the real thing. What is put in is not closed."""

    judge: Judge | None = None
    model: BaseChatModel | None = None
    propose: Proposer | None = None
    models: Mapping[str, BaseChatModel] | None = None
    """By name, where there are several; ``model`` stands for every one of the settings'."""
    memory: ExperienceStore | None = None
    clock: Callable[[], float] = time.monotonic
    """Seconds, for budgets."""
    sleep: Callable[[float], None] = time.sleep
    """Lets them pass, where a model's server has to be waited for."""
    wall: Callable[[], float] = time.time
    """Seconds since 1970, for deadlines."""
    free: Callable[[Path], int] = free_bytes
    """Bytes left where a folder lies."""
    stop: StopFlag = field(default_factory=StopFlag)


def optimize(
    problem: Problem,
    settings: AgentSettings,
    *,
    starts: Sequence[Start] = (),
    subscribers: Sequence[Subscriber] = (),
    seams: Seams | None = None,
) -> Outcome:
    """Search for a faster kernel; SIGINT and SIGTERM stop it cleanly. ``starts``: the user's own, to start from.

    Raises RequestError (ModelRejected included) for a request that cannot be met; then, unless something was
    judged already, no trace of the run remains. Raises SandboxError, StoreError or RunError if it could not
    begin. What fails after it has begun is an Outcome with status ``failed``, which can be resumed.
    """
    seams = seams or Seams()
    check_starts(starts, settings.language)
    with ExitStack() as stack:
        parts = _open_parts(settings, seams, stack, starts=bool(starts))
        subscribers = [*subscribers, *_tracing(settings, stack)]
        folder = create_folder(problem, settings, starts)
        try:
            return _run(folder, problem, settings, parts, subscribers, seams)
        except RequestError:
            if not Ledger(read_events(folder.events)).all("judged"):
                folder.discard(settings.home)
            raise


def prepare(
    problem: Problem, settings: AgentSettings, *, starts: Sequence[Start] = (), seams: Seams | None = None
) -> RunFolder:
    """The folder of a run that ``resume`` begins, in this process or another one. Raises as ``optimize``."""
    check_starts(starts, settings.language)
    with ExitStack() as stack:
        _open_parts(settings, seams or Seams(), stack, starts=bool(starts))
        return create_folder(problem, settings, starts)


def resume(path: Path, *, subscribers: Sequence[Subscriber] = (), seams: Seams | None = None) -> Outcome:
    """Go on with the run in a folder; the outcome it had if it has ended already. Raises like ``optimize``."""
    seams = seams or Seams()
    folder = open_folder(path)
    if folder.events.exists():
        finished = finished_outcome(folder.events)
        if finished is not None and not _may_go_on(finished):
            return Outcome.from_json(finished).at(folder.path)
    settings = AgentSettings.restore(folder.info()["settings"])
    problem = folder.problem()
    with suppress(OSError):  # killed before it was listed; the run itself needs no list
        folder.enter_index(settings.home)
    with ExitStack() as stack:
        parts = _open_parts(settings, seams, stack, starts=bool(folder.starts()))
        subscribers = [*subscribers, *_tracing(settings, stack)]
        return _run(folder, problem, settings, parts, subscribers, seams)


def _tracing(settings: AgentSettings, stack: ExitStack) -> list[Subscriber]:
    spans = open_tracing(settings, stack)
    return [] if spans is None else [spans]


def _may_go_on(finished: dict[str, Any]) -> bool:
    """What failed, and what ended for want of a model, is taken up again."""
    return bool(finished["status"] == "failed" or finished["stop_reason"] == "model_unavailable")


@dataclass(frozen=True)
class _Parts:
    """What has to be there before a folder is made."""

    models: Mapping[str, BaseChatModel]
    propose: Proposer
    memory: ExperienceStore | None
    sandbox: Sandbox | None
    """None where a judge was put in."""
    trusted_only: bool
    knowledge: KnowledgeBase


def _open_parts(settings: AgentSettings, seams: Seams, stack: ExitStack, *, starts: bool) -> _Parts:
    settings.check()
    make_policy(settings.policy)
    models = seams.models or _make_models(settings, seams.model)
    sandbox = None if seams.judge is not None else _open_sandbox(settings, stack, starts=starts)
    memory = seams.memory
    if memory is None and settings.memory:
        from memory.sqlite import SqliteStore

        memory = stack.enter_context(closing(SqliteStore(settings.memory_path)))
    propose: Proposer | None = seams.propose
    if propose is None:
        propose = _proposer(settings)
    unsafe = sandbox is not None and not sandbox.isolation.is_boundary and not settings.allow_unsandboxed
    return _Parts(models, propose, memory, sandbox, trusted_only=unsafe, knowledge=_open_knowledge(settings))


def _proposer(settings: AgentSettings) -> Proposer:
    if settings.asking == "once":
        if "builtin" in settings.models:
            raise RequestError("the builtin model works by tools alone: --asking once is for language models")
        from agent.answering import answer_once

        return answer_once
    from agent.proposing import propose

    return propose


def _open_knowledge(settings: AgentSettings) -> KnowledgeBase:
    from memory.knowledge.folders import open_knowledge

    try:
        return open_knowledge(settings.knowledge)
    except KnowledgeError as error:
        raise RequestError(f"--knowledge: {error}") from error


def _make_models(settings: AgentSettings, given: BaseChatModel | None) -> Mapping[str, BaseChatModel]:
    if given is not None:
        return dict.fromkeys(settings.models, given)
    return make_models(settings)


def _open_sandbox(settings: AgentSettings, stack: ExitStack, *, starts: bool) -> Sandbox:
    from sandbox.opening import open_sandbox

    sandbox = open_sandbox(settings.isolation)
    stack.callback(sandbox.close)
    unsafe = not sandbox.isolation.is_boundary and not settings.allow_unsandboxed
    if unsafe and settings.model != "builtin":
        raise RequestError(
            f"code written by {settings.model} needs a sandbox, a child process is none: {INSTALL_A_SANDBOX}"
        )
    if unsafe and starts:
        raise RequestError(f"a kernel to start from needs a sandbox, a child process is none: {INSTALL_A_SANDBOX}")
    return sandbox


def _run(
    folder: RunFolder,
    problem: Problem,
    settings: AgentSettings,
    parts: _Parts,
    subscribers: Sequence[Subscriber],
    seams: Seams,
) -> Outcome:
    with ExitStack() as stack:
        log = stack.enter_context(closing(EventLog(folder.events, clock=seams.clock)))
        ledger = Ledger(log.history)
        for subscriber in (ledger.note, *subscribers):
            log.subscribe(subscriber)
        # Only now: the log's lock says that nobody else works here.
        folder.clear_work()
        stack.callback(folder.clear_work)
        clock, activity = Clock(seams.clock, seams.sleep), Activity(log.hold, log.release)
        steering = Steering(folder.path, settings, ledger, log.emit, stop=seams.stop, clock=clock, activity=activity)
        roster = open_roster(parts.models, steering.settings, ledger, log, clock, activity)
        space = Space(
            (folder.path, settings.home),
            log,
            clock,
            leave=steering.look,
            leave_log=seams.stop.check,
            inactive=activity.waiting,
            free=seams.free,
        )
        log.when_full = space.when_log_is_full
        steering.subscribe(lambda now: roster.purse.allow(now.max_tokens, now.max_cost))
        judge = seams.judge
        if judge is None:
            patience = Patience(waiting_for_device(log, clock, activity), steering.look)
            judge = stack.enter_context(closing(_make_judge(folder, problem, settings, parts.sandbox, patience)))
        deps = Deps(
            run_id=folder.run_id,
            folder=folder.path,
            problem=problem,
            settings=settings,
            judge=judge,
            roster=roster,
            propose=parts.propose,
            policy=make_policy(settings.policy),
            store=ArtifactStore(folder.artifacts, space.when_full),
            memory=parts.memory,
            log=log,
            ledger=ledger,
            steering=steering,
            knowledge=parts.knowledge,
            starts=folder.starts(),
            trusted_only=parts.trusted_only,
            space=space,
            wall=seams.wall,
        )
        return drive(deps, folder.checkpoints, parts.sandbox)


def _make_judge(
    folder: RunFolder, problem: Problem, settings: AgentSettings, sandbox: Sandbox | None, patience: Patience
) -> Judge:
    from tools.judging import SandboxedJudge

    assert sandbox is not None
    folder.work.mkdir(exist_ok=True)
    cache = settings.home / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    judge: Judge = SandboxedJudge(
        problem,
        sandbox,
        settings.judging,
        folder.work,
        cache_dir=cache,
        language=settings.language,
        target=settings.target,
        seed=settings.seed,
        patience=patience,
    )
    return judge
