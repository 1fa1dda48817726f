"""The conversations of a run, each with what the judge said of its candidate: read from the log and the store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.errors import RunError
from agent.events import read_events
from agent.ledger import Ledger
from tools.artifacts import ArtifactStore
from tools.verdict import Verdict

CHEATING = "cheat"
"""How the reason of a verdict on a candidate that worked around the measurement begins."""

Message = dict[str, Any]
Status = Literal["accepted", "rejected", "refused", "unjudged"]

_ROLES = {"human": "user", "ai": "assistant"}
_SLOT = re.compile(r"^(round=\d+) slot=\d+ |^This is proposal \d+ of ", re.M)
"""The only words in which the prompts of two slots of a round may differ."""

_SERVER = re.compile(r"@https?://.*$", re.S)
"""Where a model is served is nobody else's business."""


@dataclass(frozen=True)
class Trajectory:
    """One conversation and what came of it."""

    run_id: str
    problem: str
    target: str
    language: str
    model: str
    """That wrote it."""
    version: str
    """Of the program."""
    round: int
    slot: int
    parent: str | None
    candidate: str | None
    strategy: str
    messages: tuple[Message, ...]
    """In the common chat form."""
    tools: tuple[dict[str, Any], ...]
    """Schemas of what it could call; empty where the log is of a version that did not tell."""
    status: Status
    """``refused``: it ended without a candidate; ``unjudged``: the judge never said anything about it."""
    reason: str | None
    speedup: float | None
    speedup_ci95: tuple[float, float] | None
    faster: bool | None
    confirmed: bool | None
    """Whether it held when judged again; None if it was judged once."""
    first: bool
    """Whether it was this conversation whose candidate was judged, not a later one that wrote the same text."""

    @property
    def cheated(self) -> bool:
        """Rejected because it worked around the measurement."""
        return (self.reason or "").split(".")[0] == CHEATING

    @property
    def prompt(self) -> tuple[Message, ...]:
        """What it was told before its first reply."""
        return self.messages[: self._begin()]

    @property
    def completion(self) -> tuple[Message, ...]:
        """Its replies, and the answers of the tools between them."""
        return self.messages[self._begin() :]

    @property
    def prompt_state(self) -> str:
        """Equal for conversations that began alike: the same prompt, but for the number of the slot."""
        texts = [[message["role"], _SLOT.sub(r"\1 ", message["content"])] for message in self.prompt]
        return hashlib.sha256(json.dumps([self.run_id, texts]).encode()).hexdigest()[:16]

    def _begin(self) -> int:
        roles = [message["role"] for message in self.messages]
        return roles.index("assistant") if "assistant" in roles else len(roles)


def read_trajectories(folder: Path) -> list[Trajectory]:
    """Of a run in a folder, by round and slot; a run that goes on is read as far as it has come.

    Raises RunError for a log or a store that is missing or damaged.
    """
    ledger, store = Ledger(read_events(folder / "events.jsonl")), ArtifactStore(folder / "artifacts")
    proposals = sorted(ledger.all("proposed"), key=lambda data: (data["round"], data["slot"]))
    try:
        return list(_told(ledger, store, proposals))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"the run in {folder} cannot be exported: {error}") from error


def _told(ledger: Ledger, store: ArtifactStore, proposals: Sequence[dict[str, Any]]) -> Iterator[Trajectory]:
    started = ledger.find("run_started") or {}
    about: dict[str, Any] = {name: str(started.get(name, "")) for name in ("run_id", "problem", "target", "version")}
    for data in proposals:
        messages = _messages(store, data.get("transcript"))
        if not any(message["role"] == "assistant" for message in messages):
            continue  # taken from memory, or the model was lost before it said anything
        schemas = data.get("tools")
        yield Trajectory(
            **about,
            **{name: data[name] for name in ("round", "slot", "parent", "candidate", "strategy", "language")},
            model=_SERVER.sub("", data["origin"]),
            messages=messages,
            tools=() if schemas is None else tuple(json.loads(store.text(schemas))),
            **_judged(ledger, data),
        )


def _judged(ledger: Ledger, proposal: dict[str, Any]) -> dict[str, Any]:
    """What was said last: a champion that did not hold is what it turned out to be."""
    candidate = proposal["candidate"]
    same = ledger.find("recognised", proposal["round"], proposal["slot"])
    if same is not None:
        candidate = same["same_as"]  # the same program, written down in another way
    judged = None if candidate is None else ledger.find("judged", candidate)
    facts: dict[str, Any] = dict.fromkeys(("reason", "speedup", "speedup_ci95", "faster", "confirmed"))
    if judged is None:
        return {**facts, "status": "refused" if candidate is None else "unjudged", "first": False}
    again = ledger.find("confirmed", candidate)
    verdict = Verdict.from_json((again or judged)["verdict"])
    facts |= {"reason": verdict.reason, "confirmed": None if again is None else bool(again["holds"])}
    if verdict.status == "accepted":
        facts |= {name: getattr(verdict, name) for name in ("speedup", "speedup_ci95", "faster")}
    first = (judged["round"], judged["slot"]) == (proposal["round"], proposal["slot"])
    return {**facts, "status": verdict.status, "first": first}


def _messages(store: ArtifactStore, transcript: str | None) -> tuple[Message, ...]:
    return () if transcript is None else tuple(_to_chat(entry) for entry in json.loads(store.text(transcript)))


def _to_chat(entry: dict[str, Any]) -> Message:
    """A message of a transcript in the form of chat templates: roles, tool calls with arguments as objects."""
    message: Message = {"role": _ROLES.get(entry["role"], entry["role"]), "content": entry["content"]}
    if entry.get("reasoning"):
        message["reasoning_content"] = entry["reasoning"]
    if entry.get("tool_calls"):
        message["tool_calls"] = [
            {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
            for call in entry["tool_calls"]
        ]
    if message["role"] == "tool":
        message |= {"name": entry["name"], "tool_call_id": entry["tool_call_id"]}
    return message
