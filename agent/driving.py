"""Drives the graph of a run to its end, or says why it did not get there."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.concluding import conclude
from agent.deps import Deps
from agent.errors import AgentError, RunError, RunInterrupted
from agent.folder import package_version
from agent.outcome import Outcome
from agent.state import initial_state
from agent.stopping import stop_on_signals
from memory.errors import StoreError
from sandbox.errors import SandboxError
from tools.errors import RequestError, ToolError

if TYPE_CHECKING:
    from sandbox.base import Sandbox

RECURSION_LIMIT = 1_000_000
"""Of the graph; budgets end a run, not this."""
_INFRASTRUCTURE = (AgentError, ToolError, SandboxError, StoreError, OSError, sqlite3.Error)


def drive(deps: Deps, checkpoints: Path, sandbox: Sandbox | None) -> Outcome:
    """Begin or go on, and conclude.

    An interruption and a failing infrastructure become outcomes; the state is kept for ``resume``. Raises
    RequestError for a request that cannot be met.
    """

    def tell(text: str) -> None:
        with suppress(RunError, RunInterrupted):
            deps.emit("notice", text=text)

    def kill() -> None:
        for thing in (deps.judge, sandbox):
            if thing is not None:
                thing.close()

    with stop_on_signals(deps.steering.stop, tell, kill):
        try:
            _announce(deps)
            _work(deps, checkpoints)
        except RunInterrupted as error:
            message = f"interrupted by {error}: go on with `kernelwright resume {deps.run_id}`"
            with suppress(RunError, RunInterrupted):  # a full disk: the log needs no such line to be gone on with
                deps.emit("interrupted", message=message)
            return conclude(deps, "interrupted", message)
        except RequestError as error:
            if deps.space.is_short():  # it may be the disk's fault, and is no reason to throw anything away
                return _fail(deps, one_line(error))
            _fail(deps, one_line(error))
            raise
        except _INFRASTRUCTURE as error:
            return _fail(deps, one_line(error))
        finished = deps.ledger.find("run_finished")
        assert finished is not None
        return Outcome.from_json(finished)


def one_line(error: BaseException) -> str:
    """An error as one line for a person; an operating system's error without its number."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    if isinstance(error, OSError | sqlite3.Error):
        return f"the run cannot go on ({text}): mend that, then resume it"
    return text


def _announce(deps: Deps) -> None:
    if deps.ledger.find("run_started") is not None:
        deps.emit("resumed", run_id=deps.run_id)
        return
    settings = deps.settings
    deps.emit(
        "run_started",
        run_id=deps.run_id,
        problem=deps.problem.name,
        target=settings.target,
        language=settings.language,
        model=settings.model,
        settings=settings.model_dump(mode="json"),
        version=package_version(),
        source=deps.store.put(deps.problem.source),
        starts=[{"name": start.name, "source": deps.store.put(start.source)} for start in deps.starts],
    )


def _work(deps: Deps, checkpoints: Path) -> None:
    """Drive the graph; where a full disk ended it, wait for space and go on from the last checkpoint."""
    while True:
        try:
            with closing(sqlite3.connect(checkpoints, check_same_thread=False)) as connection:
                _invoke(deps, connection)
            return
        except _INFRASTRUCTURE as error:
            if isinstance(error, RequestError | RunInterrupted) or not deps.space.wait():
                raise
            deps.emit("warning", text=f"gone on with from the last checkpoint, after: {one_line(error)}")


def _invoke(deps: Deps, connection: sqlite3.Connection) -> None:
    """Run the graph from its last checkpoint, or from the beginning."""
    from langchain_core.runnables import RunnableConfig

    from agent.checkpointing import LatestSaver
    from agent.graph import build_graph

    saver = LatestSaver(connection)
    graph = build_graph().compile(checkpointer=saver)
    config: RunnableConfig = {
        "configurable": {"thread_id": deps.run_id},
        "max_concurrency": deps.settings.slots,
        "recursion_limit": RECURSION_LIMIT,
    }
    begun: Any = saver.get_tuple(config)
    if begun and "nodes" in begun.checkpoint["channel_values"]:
        raise RunError("this run was begun by an earlier version, whose state this one cannot read: finish it there")
    if begun and graph.get_state(config).values.get("stop_reason") == "model_unavailable":
        # The search ended for want of a model, and has been taken up again: as if the last round had not said so.
        graph.update_state(config, {"stop_reason": None, "confirmed": None, "barren_rounds": 0}, as_node="record")
    graph.invoke(None if begun else initial_state(), config, context=deps, durability="sync")


def _fail(deps: Deps, message: str) -> Outcome:
    """Write the failure where that is still possible: a full disk may be what failed."""
    outcome = conclude(deps, "failed", message)
    with suppress(RunError, RunInterrupted):
        deps.emit("run_finished", **outcome.to_json())
    return outcome
