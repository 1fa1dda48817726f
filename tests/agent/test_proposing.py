"""The proposal loop with a scripted model: how it ends, what it sends, what it tells."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agent.conversation import KEPT_CHARS, transcript, within_budget
from agent.proposing import Attempt, ProposalTask, candidate_in_text, propose
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable
from tools.fake_judge import FakeJudge, accepted, describe_softmax, rejected
from tools.problem import Problem

SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
BROKEN = SOURCE + "# BROKEN\n"


def says(*calls, content=""):
    listed = [{"name": name, "args": args} for name, args in calls]
    return ScriptedReply.model_validate({"content": content, "tool_calls": listed})


WRITE = ("write_candidate", {"source": SOURCE})
COMPILE = ("compile_candidate", {})
SUBMIT = ("submit", {"strategy": "one pass"})


class Run:
    """One proposal, with everything it sent and told."""

    def __init__(self, tmp_path, *replies, max_steps=10, judge=None, **task):
        self.store = ArtifactStore(tmp_path)
        self.moments = None
        """Answers to the question whether time is up, the end of them being a yes; None: it never is."""
        self.events = []
        self.judge = judge or FakeJudge(
            lambda source: rejected("compile_error", "no") if "BROKEN" in source else accepted(1.5)
        )
        values = {
            "round": 1, "slot": 0, "slots": 1, "parent": None, "visible": (), "recalled": (),
            "baselines": {"eager": 1e-3}, "target": "cpu", "language": "python", "seed": 0, **task,
        }  # fmt: skip
        self.model = ScriptedChatModel(script=replay([ScriptedProposal(replies=replies)]))
        self.ask = lambda: propose(
            ProposalTask(**values),
            model=self.model,
            judge=self.judge,
            problem=Problem("softmax", "class Model: ..."),
            description=describe_softmax(),
            store=self.store,
            memory=None,
            max_steps=max_steps,
            emit=lambda kind, **data: self.events.append((kind, data)),
            out_of_time=lambda: self.moments is not None and next(self.moments, True),
        )


def test_the_same_conversation_gives_the_same_proposal_streamed_or_not(tmp_path):
    run = Run(tmp_path, says(("read_problem", {}), WRITE), says(COMPILE, SUBMIT))
    first = run.ask()
    run.model.streaming = True
    assert run.ask() == first
    assert first.candidate == Candidate(source=SOURCE, language="python")
    assert (first.model_calls, first.tool_calls) == (2, 4)
    assert json.loads(json.dumps(first.transcript)) == list(first.transcript)


@pytest.mark.parametrize("streaming", [True, False])
def test_time_that_is_up_ends_it_between_two_replies_and_in_the_middle_of_one(tmp_path, streaming):
    run = Run(tmp_path, says(WRITE, COMPILE), says(SUBMIT))
    run.model.streaming = streaming
    run.moments = iter([])
    nothing = run.ask()
    assert (nothing.candidate, nothing.refusal, nothing.model_calls) == (None, "no candidate: the time is up", 0)
    run.moments = iter([False] * 50 if not streaming else [False])
    late = run.ask()
    if streaming:
        assert (late.candidate, late.refusal) == (None, "no candidate: the time is up")
    else:
        assert late.candidate is not None


def test_what_compiled_before_the_time_was_up_is_kept(tmp_path):
    run = Run(tmp_path, says(WRITE, COMPILE), says(SUBMIT))
    run.moments = iter([False])
    kept = run.ask()
    assert (kept.candidate.source, kept.strategy) == (SOURCE, "submitted as it stood: the time is up")


def test_calls_after_the_end_of_a_proposal_change_nothing(tmp_path):
    other = ("write_candidate", {"source": SOURCE + "# later\n"})
    proposal = Run(tmp_path, says(WRITE, COMPILE, SUBMIT, other, ("decline", {"reason": "no"}))).ask()
    assert proposal.candidate.source == SOURCE
    assert proposal.refusal is None
    assert [entry["status"] for entry in proposal.transcript[-2:]] == ["error", "error"]


@pytest.mark.parametrize(
    ("reason", "needs"),
    [("this operator needs a language model: aten.fft_rfft", True), ("nothing left to try", False)],
)
def test_declining(tmp_path, reason, needs):
    proposal = Run(tmp_path, says(("decline", {"reason": reason}))).ask()
    assert (proposal.candidate, proposal.refusal, proposal.needs_language_model) == (None, reason, needs)


def test_out_of_replies_with_a_candidate_that_compiled(tmp_path):
    later = ("write_candidate", {"source": BROKEN})
    proposal = Run(tmp_path, says(WRITE), says(COMPILE), says(later), says(COMPILE), max_steps=4).ask()
    assert proposal.candidate.source == SOURCE
    assert proposal.strategy == "submitted as it stood: no submission within 4 replies"


def test_out_of_replies_with_nothing_that_compiled(tmp_path):
    broken = ("write_candidate", {"source": BROKEN})
    proposal = Run(tmp_path, says(broken), says(COMPILE), max_steps=2).ask()
    assert proposal.candidate is None
    assert proposal.refusal == "no candidate: no submission within 2 replies"
    assert not proposal.needs_language_model


def test_nudges_count_only_in_a_row(tmp_path):
    talk = says(content="hm")
    proposal = Run(tmp_path, talk, talk, says(WRITE), talk, talk, says(COMPILE, SUBMIT)).ask()
    assert proposal.candidate is not None


def test_the_same_code_block_again_is_no_progress(tmp_path):
    block = says(content=f"```python\n{BROKEN}```")
    proposal = Run(tmp_path, block, block, block, block).ask()
    assert proposal.refusal == "no candidate: 3 replies in a row called no tool"
    assert proposal.model_calls == 4


def test_a_judge_that_fails_twice_stops_the_proposal(tmp_path):
    class Down(FakeJudge):
        def compile(self, candidate):
            raise JudgeUnavailable("no space left")

    run = Run(tmp_path, says(WRITE), says(COMPILE), says(COMPILE), judge=Down(lambda source: accepted(1)))
    with pytest.raises(JudgeUnavailable, match="no space left"):
        run.ask()


def attempt(source_artifact, candidate="abcd000011112222", **changes):
    values = {
        "candidate": candidate, "parent": None, "status": "accepted", "reason": None, "speedup": 1.25,
        "speedup_ci95": (1.2, 1.3), "strategy": "tiles", "lesson": "bound by memory",
        "source_artifact": source_artifact,
    }  # fmt: skip
    return Attempt(**{**values, **changes})


def test_what_a_proposal_may_see_it_may_read(tmp_path):
    store = ArtifactStore(tmp_path)
    sources = [SOURCE + f"# {name}\n" for name in ("parent", "visible", "recalled")]
    parent, visible, recalled = (
        attempt(store.put(source), f"{index}bcd000011112222") for index, source in enumerate(sources)
    )
    reads = [("read_candidate", {"id": one.candidate}) for one in (parent, visible, recalled)]
    edit = ("edit_candidate", {"search": "return x", "replace": "return x * 1"})
    run = Run(tmp_path, says(*reads, edit, COMPILE, SUBMIT), parent=parent, visible=(visible,), recalled=(recalled,))
    proposal = run.ask()
    assert [entry["content"] for entry in proposal.transcript[3:6]] == sources
    assert proposal.candidate.source == sources[0].replace("return x", "return x * 1")


def test_a_long_conversation_is_sent_within_bounds(tmp_path):
    sources = [SOURCE + f"# {number}\n" + "# pad\n" * 6000 for number in range(8)]
    run = Run(tmp_path, *(says(("write_candidate", {"source": source})) for source in sources), says(COMPILE, SUBMIT))
    proposal = run.ask()
    assert proposal.candidate.source == sources[-1]
    sent = run.model.calls[-1]
    assert len(sent) == len(run.model.calls[0]) + 16
    assert sum(len(str(message.content)) + len(str(getattr(message, "tool_calls", ""))) for message in sent) < 150_000
    assert sent[-2].tool_calls[0]["args"]["source"] == sources[-1]
    assert "left out" in sent[2].tool_calls[0]["args"]["source"]
    whole = [entry["tool_calls"][0]["args"]["source"] for entry in proposal.transcript[2:18:2]]
    assert whole == sources


def test_shortening_spares_the_task_the_newest_and_the_graph_longest():
    def tool(name, size):
        return ToolMessage(content="x" * size, tool_call_id="c", name=name)

    head = [SystemMessage("s" * 5000), HumanMessage("t" * 5000)]
    middle = [tool("read_graph", 3000), tool("read_log", 3000), tool("read_log", 3000)]
    recent = [tool("read_log", 3000) for _ in range(4)]
    messages = [*head, *middle, *recent]
    assert within_budget(messages, 21_000) == messages
    fitted = within_budget(messages, 19_500)
    sizes = [len(message.text) for message in fitted]
    assert sizes[:2] == [5000, 5000]
    assert sizes[2] == 3000
    assert KEPT_CHARS < sizes[3] < 2 * KEPT_CHARS
    assert sizes[4:] == [3000] * 5
    assert len(within_budget(messages, 10)[2].text) < 2 * KEPT_CHARS
    assert [len(message.text) for message in within_budget(messages, 10)[5:]] == [3000] * 4
    assert messages[3].text == "x" * 3000
    assert len(within_budget([*head, AIMessage("z" * 90_000)], 10_000)[2].text) < 2 * KEPT_CHARS


def test_the_transcript_is_plain_json():
    calls = [{"name": "submit", "args": {"strategy": "x"}, "id": "c"}]
    entries = transcript([AIMessage("a", tool_calls=calls), ToolMessage("b", tool_call_id="c", name="submit")])
    assert entries == (
        {"role": "ai", "content": "a", "tool_calls": calls},
        {"role": "tool", "content": "b", "name": "submit", "tool_call_id": "c", "status": "success"},
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Look:\n```python\n{SOURCE}```", SOURCE),
        (f"```\n{SOURCE}```\nand\n```py\nx = 1\n```", SOURCE),
        (f"```python\nclass ModelNew: pass\n```\nbetter:\n```Python\n{SOURCE}```", SOURCE),
        (f"````python\n{SOURCE}# ```\n````", SOURCE + "# ```\n"),
        (f"```python\n{SOURCE}", None),
        (f"```cpp\n{SOURCE}```", None),
        (SOURCE, None),
        ("```python\nx = 1\n```", None),
    ],
)
def test_code_blocks(text, found):
    assert candidate_in_text(text) == found
