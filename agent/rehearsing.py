"""A conversation that was cut off is taken up where it broke: what was answered before is not asked again.

Each reply of the model and each answer of the judge is put into the store and named in the log as it comes. When
the proposal is begun again after a kill, the same replies are taken from there; the tools run once more, which
rebuilds the draft, but the judge's answers come from the log too. What is lost is the call that was in flight.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict

from agent.calling import Malformed, Reply
from agent.ledger import Ledger
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.judge import Judge, Notice
from tools.problem import Description
from tools.profiling.diagnosis import ProfileResult
from tools.profiling.generated import CodeResult
from tools.verdict import CheckResult, CompileResult, Measurement, Timing, Verdict

Answer = TypeVar("Answer", CompileResult, CheckResult, ProfileResult, CodeResult)
_NESTED = ("message", "malformed")


@dataclass
class Rehearsal:
    """What one conversation was told in earlier stretches of the run, and the writing down of what it is told now."""

    ledger: Ledger
    store: ArtifactStore
    emit: Callable[..., Any]
    """Writes an event."""
    round: int
    slot: int
    origin: str
    """The model: another one's replies are not its own."""

    def has(self, step: int) -> bool:
        """Whether it got a reply at this step."""
        return self.ledger.find("replied", self.round, self.slot, step, self.origin) is not None

    def reply(self, step: int) -> Reply | None:
        """The reply it got at this step, if it got that far."""
        known = self.ledger.find("replied", self.round, self.slot, step, self.origin)
        if known is None:
            return None
        data = json.loads(self.store.text(known["reply"]))
        (message,) = messages_from_dict([data["message"]])
        assert isinstance(message, AIMessage)
        malformed = tuple(Malformed(**one) for one in data["malformed"])
        plain = {one.name: data[one.name] for one in fields(Reply) if one.name not in _NESTED and one.name in data}
        return Reply(message=message, malformed=malformed, **plain)

    def keep(self, step: int, reply: Reply) -> None:
        """Write a reply down, before anything is done about it."""
        plain = {one.name: getattr(reply, one.name) for one in fields(Reply) if one.name not in _NESTED}
        data = {
            **plain,
            "message": messages_to_dict([reply.message])[0],
            "malformed": [{"call": one.call, "fault": one.fault} for one in reply.malformed],
        }
        self.tell("replied", step=step, origin=self.origin, reply=self.store.put(json.dumps(data)))

    def tell(self, type_: str, **data: Any) -> None:
        """Write an event of this conversation."""
        self.emit(type_, round=self.round, slot=self.slot, **data)


@dataclass
class RehearsedJudge:
    """A judge for the tools of one conversation: the answers it gave before the run was cut off, then the judge's.

    They are told apart by their number, the question and the candidate; where a conversation takes another course
    than it did, what was answered then is of no use, and the judge is asked.
    """

    real: Judge
    past: Rehearsal
    _asked: int = field(default=0, init=False)

    def describe(self) -> Description:
        """As the judge does."""
        return self.real.describe()

    def baselines(self, notice: Notice | None = None) -> dict[str, dict[str, Timing]]:
        """As the judge does."""
        return self.real.baselines(notice)

    def compile(self, candidate: Candidate) -> CompileResult:
        """The answer it got, or the judge's."""
        return self._ask("compile", candidate, CompileResult, lambda: self.real.compile(candidate))

    def check(self, candidate: Candidate) -> CheckResult:
        """The answer it got, or the judge's."""
        return self._ask("check", candidate, CheckResult, lambda: self.real.check(candidate))

    def profile(self, candidate: Candidate, profiler: str = "auto") -> ProfileResult:
        """The answer it got, or the judge's."""
        question = f"profile {profiler}"
        return self._ask(question, candidate, ProfileResult, lambda: self.real.profile(candidate, profiler))

    def code(self, candidate: Candidate) -> CodeResult:
        """The answer it got, or the judge's."""
        return self._ask("code", candidate, CodeResult, lambda: self.real.code(candidate))

    def measure(self, candidate: Candidate, notice: Notice | None = None) -> Measurement:
        """As the judge does."""
        return self.real.measure(candidate, notice)

    def judge(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """As the judge does."""
        return self.real.judge(candidate, notice)

    def confirm(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """As the judge does."""
        return self.real.confirm(candidate, notice)

    def close(self) -> None:
        """Nothing: the judge is the run's."""

    def _ask(self, question: str, candidate: Candidate, form: type[Answer], ask: Callable[[], Answer]) -> Answer:
        number, past = self._asked, self.past
        self._asked += 1
        known = past.ledger.find("answered", past.round, past.slot, number)
        if known is not None and (known["question"], known["candidate"]) == (question, candidate.id):
            return form.model_validate_json(past.store.get(known["answer"]))
        answer = ask()
        stored = past.store.put(answer.model_dump_json())
        past.tell("answered", number=number, question=question, candidate=candidate.id, answer=stored)
        return answer
