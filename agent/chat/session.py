"""One chat, opened: what it asks, and what it makes of the answers. Closed or killed, it is taken up where it stood."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.chat.context import ChatContext, Searches, standing
from agent.chat.folder import ChatFolder
from agent.chat.state import initial_state
from agent.events import EventLog
from agent.ledger import Ledger
from agent.settings import AgentSettings
from tools.problem import Description, Problem

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Question:
    """What a chat waits for."""

    ask: str
    """operator, inputs, confirm, approve or talk."""
    text: str
    run: Path | None = None
    """The search that is talked about."""


class Chat:
    """A conversation; ``open_chat`` makes it."""

    def __init__(self, context: ChatContext, connection: sqlite3.Connection) -> None:
        from agent.chat.graph import build_graph
        from agent.checkpointing import LatestSaver

        self.context = context
        self._graph: Any = build_graph().compile(checkpointer=LatestSaver(connection))
        self._config = {"configurable": {"thread_id": context.folder.chat_id}, "recursion_limit": 1_000_000}

    def begin(self, said: str = "", name: str = "") -> Question | None:
        """The first question, or the one at which it stood. ``said``: what is given already."""
        known = self._graph.get_state(self._config)
        if not known.created_at:
            self.context.log.emit("chat_begun", chat_id=self.context.folder.chat_id)
            return self._invoke(initial_state(said, name))
        if not known.next:
            # It was left with a goodbye. Whoever comes back wants to talk on.
            began = known.values["searches"] > 0
            stage, node = ("talk", "search") if began else ("understand", "understand")
            self._graph.update_state(self._config, {"stage": stage}, as_node=node)
        return self._invoke(None)

    def answer(self, said: str) -> Question | None:
        """What somebody says; the next question, None at the end."""
        from langgraph.types import Command

        self.context.log.emit("said", by="person", text=said)
        return self._invoke(Command(resume={"said": said}))

    def standing(self, run: Path) -> str:
        """Of a search (``agent.chat.context.standing``)."""
        return standing(self.context, run)

    def _invoke(self, what: Any) -> Question | None:
        state = self._graph.invoke(what, self._config, context=self.context, durability="sync")
        asked = state.get("__interrupt__")
        if not asked:
            return None
        value = asked[0].value
        return Question(value["ask"], value["text"], Path(value["run"]) if "run" in value else None)


@contextmanager
def open_chat(
    folder: ChatFolder,
    show: Callable[[str, str], None],
    searches: Searches,
    *,
    check: Callable[[Problem, AgentSettings], Description] | None = None,
    model: BaseChatModel | None = None,
) -> Iterator[Chat]:
    """The chat in a folder, for the time of the block. Raises RequestError if another process has it open."""
    given: Mapping[str, Any] = folder.info()["given"]
    with ExitStack() as stack:
        log = stack.enter_context(closing(EventLog(folder.events)))
        ledger = Ledger(log.history)
        log.subscribe(ledger.note)
        connection = stack.enter_context(closing(sqlite3.connect(folder.checkpoints, check_same_thread=False)))
        context = ChatContext(
            folder=folder,
            given=given,
            log=log,
            ledger=ledger,
            show=show,
            check=check or describe,
            searches=searches,
            model=model,
            local_chips=local_chips,
        )
        yield Chat(context, connection)


def describe(problem: Problem, settings: AgentSettings) -> Description:
    """Run the reference once in a sandbox. Raises RequestError for a problem that cannot be used."""
    from sandbox.opening import open_sandbox
    from tools.opening import single_judge

    about = {"language": settings.language, "target": settings.target, "seed": settings.seed}
    with (
        closing(open_sandbox(settings.isolation)) as sandbox,
        single_judge(problem, sandbox, settings.judging, settings.home, **about) as judge,
    ):
        return judge.describe()


def local_chips() -> list[str]:
    """Names of the accelerators that are here."""
    from sandbox.devices import find_devices

    return [device.name for device in find_devices()]
