"""What the judge told a conversation before a kill is not asked again: generated code is such an answer too."""

from __future__ import annotations

from pathlib import Path

from agent.events import Event
from agent.ledger import Ledger
from agent.rehearsing import Rehearsal, RehearsedJudge
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted
from tools.profiling.generated import CodeResult, CodeText

DRAFT = Candidate(source="class ModelNew: pass")
CODE = CodeResult(ok=True, texts=(CodeText(part="machine", file="a.so", text="1120:\tret"),))


class Counting(FakeJudge):
    """Counts how often it was asked for code."""

    asked = 0

    def code(self, candidate: Candidate) -> CodeResult:
        self.asked += 1
        return super().code(candidate)


def test_generated_code_is_read_once_also_by_a_conversation_that_is_taken_up_again(tmp_path: Path) -> None:
    ledger, store = Ledger(), ArtifactStore(tmp_path)
    judge = Counting(lambda source: accepted(1.5), code=CODE)

    def emit(type_: str, **data: object) -> None:
        ledger.note(Event(1, "", 0.0, type_, data))

    def conversation() -> RehearsedJudge:
        return RehearsedJudge(judge, Rehearsal(ledger, store, emit, 1, 0, "model"))

    assert conversation().code(DRAFT) == CODE
    assert conversation().code(DRAFT) == CODE
    assert judge.asked == 1
    assert conversation().code(Candidate(source="class ModelNew: ...")) == CODE
    assert judge.asked == 2
