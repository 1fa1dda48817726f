"""What odd models and servers send, over real HTTP: reasoning, floods, lies; each has an end and a reason."""

from __future__ import annotations

import json

import pytest

from agent import calling
from agent.equipping import Equipped
from agent.errors import ModelRejected, ModelUnavailable, OutOfTime
from agent.model import ModelSettings, make_model
from agent.models.gate import Gate
from agent.models.pricing import Price
from agent.models.purse import Purse
from agent.proposing import ProposalTask, propose
from agent.replies import MAX_CALLS, MAX_REPLY_CHARS
from tools.artifacts import ArtifactStore
from tools.fake_judge import FakeJudge, accepted, describe_softmax
from tools.problem import Problem

pytestmark = pytest.mark.enable_socket

SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x.softmax(-1)\n"
THOUGHT = "First the row's maximum, then one pass. " * 5


class Ran:
    """One proposal against a server."""

    def __init__(self, web, tmp_path, turns, *, streaming=True, name="test-model", gate=None, max_steps=8, **settings):
        self.events = []
        chosen = {"timeout_s": 20.0, "max_retries": 1, **settings}
        with web.OpenAIServer(turns) as server:
            self.server = server
            model = make_model(ModelSettings(name=f"openai:{name}", base_url=server.url, streaming=streaming, **chosen))
            self.proposal = propose(
                ProposalTask(1, 0, 1, None, (), (), {"eager": 1e-3}, "cpu", "python", 0),
                model=model,
                judge=FakeJudge(lambda source: accepted(1.5)),
                problem=Problem("softmax", "class Model: ..."),
                description=describe_softmax(),
                store=ArtifactStore(tmp_path),
                memory=None,
                max_steps=max_steps,
                emit=lambda kind, **data: self.events.append((kind, data)),
                gate=gate,
            )

    @property
    def calls(self):
        return [data for kind, data in self.events if kind == "model_call"]

    def sent(self, request, role="assistant"):
        return [message for message in self.server.requests[request]["messages"] if message["role"] == role]

    def tool_answers(self):
        return [entry["content"] for entry in self.proposal.transcript if entry["role"] == "tool"]


@pytest.fixture(params=[True, False], ids=["streaming", "whole"])
def streaming(request):
    return request.param


@pytest.fixture
def write(web):
    return (web.call("write_candidate", source=SOURCE),)


@pytest.fixture
def finish(web):
    return web.Chat(calls=(web.call("compile_candidate"), web.call("submit", strategy="one pass")))


# Reasoning


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_and_in_the_transcript(web, tmp_path, streaming, field, write, finish):
    thinking = web.Chat(calls=write, reasoning=THOUGHT, reasoning_field=field)
    ran = Ran(web, tmp_path, [thinking, finish], streaming=streaming)
    assert ran.proposal.candidate is not None
    entry = ran.proposal.transcript[2]
    assert (entry["role"], entry["content"], entry["reasoning"]) == ("ai", "", THOUGHT)
    assert not any("maximum" in text for text in ran.tool_answers())
    assert field not in ran.sent(1)[0], "a server that did not ask for it does not get it"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_where_the_convention_asks_for_it(web, tmp_path, streaming, field, write, finish):
    first = web.Chat(calls=(web.call("read_log"),), reasoning=THOUGHT, reasoning_field=field)
    second = web.Chat("mere talk", reasoning="idle", reasoning_field=field)
    ran = Ran(web, tmp_path, [first, second, web.Chat(calls=write), finish], streaming=streaming, name="deepseek-flash")
    assert ran.proposal.candidate is not None
    assert ran.sent(1)[0][field] == THOUGHT
    called, talked, thoughtless = ran.sent(3)
    assert (called[field], thoughtless[field]) == (THOUGHT, ""), "its absence is what is refused"
    assert field not in talked, "only with tool calls"


def test_a_server_that_misses_reasoning_is_understood(web, tmp_path, streaming, write, finish):
    """The exact words of DeepSeek's refusal; the model's name says nothing."""
    told = "The reasoning_content in the thinking mode must be passed back to the API."
    turns = [web.Chat(calls=write, reasoning=THOUGHT), web.Failure(400, told), finish]
    ran = Ran(web, tmp_path, turns, streaming=streaming)
    assert ran.proposal.candidate is not None
    assert "reasoning_content" not in ran.sent(1)[0]
    assert ran.sent(2)[0]["reasoning_content"] == THOUGHT


def test_a_server_that_refuses_reasoning_is_understood_once(web, tmp_path, streaming, write, finish):
    refused = web.Failure(400, "reasoning_content is not allowed in input messages")
    turns = [web.Chat(calls=write, reasoning=THOUGHT), refused, finish]
    ran = Ran(web, tmp_path, turns, streaming=streaming, name="deepseek-flash")
    assert ran.proposal.candidate is not None
    assert "reasoning_content" not in ran.sent(2)[0]
    with pytest.raises(ModelRejected, match="reasoning_content"):
        Ran(web, tmp_path, [web.Chat(calls=write, reasoning=THOUGHT), refused, refused, finish], streaming=streaming)
    turns = [web.Chat(calls=write, reasoning=THOUGHT), refused, finish]
    with pytest.raises(ModelRejected, match="reasoning_content"):
        Ran(web, tmp_path, turns, streaming=streaming, name="deepseek-flash", return_reasoning="always")


def test_a_server_that_refuses_both_ways_is_not_asked_for_ever(web, tmp_path, streaming, write, finish):
    refused = web.Failure(400, "reasoning_content is wrong")
    first = web.Chat(calls=(web.call("read_log"),), reasoning=THOUGHT)
    with pytest.raises(ModelRejected, match="reasoning_content is wrong"):
        Ran(web, tmp_path, [first, refused, web.Chat(calls=write), refused, finish], streaming=streaming)


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_thoughts_in_the_text_are_no_answer(web, tmp_path, streaming, opening, write, finish):
    """A draft inside them is not taken for the candidate."""
    draft = SOURCE.replace("softmax", "exp")
    text = f"{opening}Perhaps:\n```python\n{draft}```\nNo.</think>\n```python\n{SOURCE}```"
    ran = Ran(web, tmp_path, [web.Chat(text), web.Chat(calls=(web.call("submit", strategy="s"),))], streaming=streaming)
    assert ran.proposal.candidate.source == SOURCE
    assert "exp" in ran.proposal.transcript[2]["reasoning"]
    cut = web.Chat(f"<think>Perhaps:\n```python\n{draft}```\nand", finish="length")
    ran = Ran(web, tmp_path, [cut, web.Chat(calls=write), finish], streaming=streaming)
    assert ran.proposal.candidate.source == SOURCE
    assert ran.proposal.transcript[2]["content"] == ""


def test_reasoning_is_counted_where_the_server_counts_nothing(web, tmp_path, streaming, write, finish):
    turns = [web.Chat(calls=write, reasoning=THOUGHT * 20, usage=None), finish]
    loud = Ran(web, tmp_path, turns, streaming=streaming)
    quiet = Ran(web, tmp_path, [web.Chat(calls=write, usage=None), finish], streaming=streaming)
    assert loud.calls[0]["tokens_out"] - quiet.calls[0]["tokens_out"] > len(THOUGHT * 20) // 6


def test_cached_and_reasoning_tokens_are_told_and_priced(web, tmp_path, streaming, write, finish):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    details = {"prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 70}}
    deepseek = {"prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100}
    turns = [
        web.Chat(calls=write, raw_usage={**usage, **details}),
        web.Chat(calls=finish.calls, raw_usage={**usage, **deepseek}),
    ]
    ran = Ran(web, tmp_path, turns, streaming=streaming, price=Price(10.0, 20.0, 1.0))
    assert [(one["cached"], one["reasoning"]) for one in ran.calls] == [(400, 70), (900, 0)]
    assert ran.proposal.cost_usd == pytest.approx((600 * 10 + 400 + 100 * 20 + 100 * 10 + 900 + 100 * 20) / 1e6)


# Lies


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")  # the client's own, once
@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -5000, "completion_tokens": -7, "total_tokens": -5007},
        {"prompt_tokens": "many", "completion_tokens": [], "total_tokens": None},
        {"prompt_tokens": 10.5, "completion_tokens": True},
        {},
    ],
)
def test_usage_that_cannot_be_is_estimated(web, tmp_path, streaming, usage, write, finish):
    ran = Ran(web, tmp_path, [web.Chat(calls=write, raw_usage=usage), finish], streaming=streaming)
    assert ran.calls[0]["approximate"] is True
    assert ran.calls[0]["tokens_in"] > 200
    assert ran.proposal.candidate is not None


# Floods


def test_thousands_of_tool_calls_are_not_carried_out(web, tmp_path, streaming, write, finish):
    flood = web.Chat(calls=(web.call("read_log"),) * 3000)
    ran = Ran(web, tmp_path, [flood, web.Chat(calls=write), finish], streaming=streaming)
    assert ran.proposal.candidate is not None
    answers = ran.tool_answers()
    assert len(answers) == MAX_CALLS + 3
    assert f"Only the first {MAX_CALLS} calls" in answers[MAX_CALLS - 1]
    assert len(ran.sent(1)[0]["tool_calls"]) == len(ran.sent(1, "tool")) == MAX_CALLS


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "and so on " * 400},
        {"reasoning_content": "let me think " * 400},
        {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 4000}}]},
        {"tool_calls": [{"id": "", "function": {"name": "read_log", "arguments": ""}}]},
        {"content": ""},
    ],
    ids=["text", "reasoning", "arguments", "calls", "nothing"],
)
def test_a_stream_without_end_is_cut(web, tmp_path, delta, write, finish, monkeypatch):
    monkeypatch.setattr(calling, "EMPTY_PIECE_CHARS", 400)
    ran = Ran(web, tmp_path, [web.Chat(endless=delta), web.Chat(calls=write), finish])
    assert ran.proposal.candidate is not None
    sizes = [len(json.dumps(entry)) for entry in ran.proposal.transcript]
    assert max(sizes) <= 2 * MAX_REPLY_CHARS
    assert ran.calls[0]["approximate"] is True


def test_comments_without_end_are_left(web, tmp_path, monkeypatch):
    """They keep the connection alive and are no pieces of a reply: only who counts bytes sees them."""
    monkeypatch.setattr(calling, "MAX_BODY_BYTES", 100_000)
    with pytest.raises(ModelUnavailable, match="does not end"):
        Ran(web, tmp_path, [web.Chat(comments=True)])


def test_a_body_without_bounds_is_left(web, tmp_path, monkeypatch, streaming):
    monkeypatch.setattr(calling, "MAX_BODY_BYTES", 100_000)
    with pytest.raises(ModelUnavailable, match="does not end"):
        Ran(web, tmp_path, [web.Chat("x" * 300_000)], streaming=streaming)


def test_time_that_is_up_ends_a_stream_of_comments(web, tmp_path):
    asked = iter([False] * 5)
    with web.OpenAIServer([web.Chat(comments=True)]) as server:
        model = make_model(ModelSettings(name="openai:m", base_url=server.url))
        with pytest.raises(OutOfTime):
            calling.call_model(Equipped(model), [], 1, lambda kind, **data: None, lambda: next(asked, True))


# Edits nothing


def test_a_model_that_edits_nothing_is_refused(web, tmp_path, streaming, finish):
    turns = [finish, web.Chat(calls=(web.call("submit", strategy="s"),)), web.Chat("done"), web.Chat("done")]
    ran = Ran(web, tmp_path, [*turns, web.Chat("done")], streaming=streaming)
    assert ran.proposal.candidate is None
    assert ran.proposal.refusal == "no candidate: 3 replies in a row called no tool"


# Caps


def test_the_longest_reply_is_asked_for_by_the_name_the_server_knows(web, tmp_path, streaming, write, finish):
    ran = Ran(web, tmp_path, [web.Chat(calls=write), finish], streaming=streaming, max_reply_tokens=500)
    assert [body["max_tokens"] for body in ran.server.requests] == [500, 500]
    assert not any("max_completion_tokens" in body for body in ran.server.requests)
    own = make_model(ModelSettings(name="openai:m", api_key="sk-12345", max_reply_tokens=500))
    assert own._get_request_payload("x")["max_completion_tokens"] == 500


def test_a_call_that_may_not_fit_is_not_made(web, tmp_path, streaming, write, finish):
    gate = Gate(purse=Purse(max_tokens=100))
    ran = Ran(web, tmp_path, [finish], streaming=streaming, gate=gate, max_reply_tokens=50)
    assert ran.server.requests == []
    assert (ran.proposal.candidate, ran.proposal.capped, ran.proposal.tokens) == (None, "max_tokens", 0)
    assert "are left of --max-tokens 100" in ran.proposal.refusal


def test_what_compiled_is_kept_when_the_money_is_gone(web, tmp_path, write):
    compiled = web.Chat(calls=(*write, web.call("compile_candidate")), usage=(20_000, 10))
    gate = Gate(purse=Purse(max_cost=0.21))
    ran = Ran(web, tmp_path, [compiled], gate=gate, max_reply_tokens=50, price=Price(10.0, 10.0))
    assert (ran.proposal.candidate.source, ran.proposal.capped) == (SOURCE, "max_cost")
    assert ran.proposal.cost_usd == pytest.approx(0.2001)
    assert "are left of --max-cost 0.21" in ran.proposal.strategy


def test_a_try_that_broke_off_is_paid_and_one_that_was_refused_is_not(web, tmp_path, write, finish):
    broken = web.Chat(calls=write, cut_after=4)
    turns = [web.Failure(503), web.Chat(calls=write), broken, finish]
    ran = Ran(web, tmp_path, turns, max_reply_tokens=5000, price=Price(1.0, 1.0))
    assert [one["finish"] for one in ran.calls] == ["tool_calls", "lost", "tool_calls"]
    lost = ran.calls[1]
    assert lost["tokens_out"] == 5000, "nobody says what it took: the worst"
    assert ran.proposal.tokens == 220 + lost["tokens_in"] + 5000
    assert ran.proposal.cost_usd == pytest.approx(ran.proposal.tokens / 1e6)


def test_a_reply_longer_than_asked_for_is_cut(web, tmp_path, write, finish):
    ran = Ran(web, tmp_path, [web.Chat("x" * 9000), web.Chat(calls=write), finish], max_reply_tokens=1000)
    assert ran.calls[0]["finish"] == "length"
    assert len(ran.proposal.transcript[2]["content"]) < 8400
