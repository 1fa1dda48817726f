"""What the nodes of a chat work with; a test puts its own in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.chat.folder import ChatFolder
from agent.chat.state import ChatState
from agent.chat.wording import to_settings
from agent.events import EventLog, is_locked
from agent.ledger import Ledger
from agent.models.names import parse_remote
from agent.runs import finished_outcome
from agent.settings import AgentSettings
from tools.problem import Description, Problem

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

SHARE = 0.1
"""Of what is left of a cap, what a chat keeps for its own questions while a search spends the rest."""


class Searches(Protocol):
    """Starts searches as processes of their own, which outlive the chat."""

    def begin(self, run: Path, problem: Path, words: Mapping[str, Any]) -> None:
        """``kernelwright optimize`` into the folder ``run``; ``words`` as on the command line."""

    def resume(self, run: Path) -> None:
        """``kernelwright resume``."""

    def is_starting(self, run: Path) -> bool:
        """Whether the process is there, though it may not have begun."""


@dataclass(frozen=True)
class ChatContext:
    """The context of a chat; never part of its state."""

    folder: ChatFolder
    given: Mapping[str, Any]
    """The command line's settings, as they were given."""
    log: EventLog
    ledger: Ledger
    show: Callable[[str, str], None]
    """Shows a text to the person: the text, and what it is (``text`` or ``code``)."""
    check: Callable[[Problem, AgentSettings], Description]
    """Runs the reference once in a sandbox. Raises RequestError."""
    searches: Searches
    model: BaseChatModel | None = None
    """In place of the settings' language model."""
    local_chips: Callable[[], list[str]] = list
    """Names of the accelerators that are here."""

    def say(self, text: str, form: str = "text") -> None:
        """Show a text and write it down."""
        self.log.emit("said", by="chat", text=text)
        self.show(text, form)

    def words(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as words of a command line: what was said (``changes`` of the state) above what was given."""
        return {**self.given, **{name: one for name, one in changes.items() if one not in (None, "")}}

    def settings(self, changes: Mapping[str, Any]) -> AgentSettings:
        """Those of now. Raises RequestError."""
        return AgentSettings.load(to_settings(self.words(changes)))

    def run(self, state: ChatState) -> Path:
        """The folder of the last search."""
        return self.folder.run(state["searches"])


def standing(context: ChatContext, run: Path) -> str:
    """Of a search: starting, running, interrupted, not_begun (its process ended before), or how it ended."""
    log = run / "events.jsonl"
    finished = finished_outcome(log)
    if finished is not None:
        return str(finished["status"])
    if log.exists() and is_locked(log):
        return "running"
    if context.searches.is_starting(run):
        return "starting"
    return "interrupted" if (run / "run.json").is_file() else "not_begun"


def paid_models(settings: AgentSettings) -> list[str]:
    """Those of somebody's server: asking them may cost something."""
    return [name for name in settings.models if parse_remote(name, settings.base_url) is not None]


def can_think(settings: AgentSettings) -> bool:
    """Whether there is a language model: the builtin one answers no questions."""
    return set(settings.models) != {"builtin"}
