"""Proposals over real HTTP: every kind of answer, streamed and not, against a server the test starts."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent.calling import MAX_REPLY_CHARS, call_model
from agent.equipping import Equipped
from agent.errors import ModelRejected, ModelUnavailable
from agent.failures import PromptTooLong
from agent.model import ModelSettings, make_model
from agent.models.pricing import Price
from agent.proposing import ProposalTask, propose
from memory.knowledge.folders import open_knowledge
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted, describe_softmax
from tools.problem import Problem

# Tests are no package: what they share is loaded by path.
_SPEC = importlib.util.spec_from_file_location("openai_server", Path(__file__).with_name("openai_server.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
server_module = importlib.util.module_from_spec(_SPEC)
sys.modules["openai_server"] = server_module
_SPEC.loader.exec_module(server_module)
Chat, Failure, Hang, OpenAIServer, call = (
    server_module.Chat,
    server_module.Failure,
    server_module.Hang,
    server_module.OpenAIServer,
    server_module.call,
)

pytestmark = pytest.mark.enable_socket

SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x.softmax(-1)\n"
KEY = "sk-secret-0123456789"
FINISH = Chat(calls=(call("compile_candidate"), call("submit", strategy="one pass")))
WRITE = Chat(calls=(call("write_candidate", source=SOURCE),))


@pytest.fixture(params=[True, False], ids=["streaming", "whole"])
def streaming(request):
    return request.param


class Ran:
    """One proposal against a server."""

    def __init__(self, tmp_path, turns, *, streaming=True, max_steps=8, names=(), **settings):
        self.events = []
        self.judge = FakeJudge(lambda source: accepted(1.5))
        chosen = {"timeout_s": 20.0, "max_retries": 2, "api_key": KEY, **settings}
        with OpenAIServer(turns) as server:
            self.server = server
            model = make_model(
                ModelSettings(name="openai:test-model", base_url=server.url, streaming=streaming, **chosen)
            )
            self.proposal = propose(
                ProposalTask(1, 0, 1, None, (), (), {"eager": 1e-3}, "cpu", "python", 0, knowledge=names),
                model=model,
                judge=self.judge,
                problem=Problem("softmax", "class Model: ..."),
                description=describe_softmax(),
                store=ArtifactStore(tmp_path),
                memory=None,
                max_steps=max_steps,
                emit=lambda kind, **data: self.events.append((kind, data)),
                knowledge=open_knowledge(),
            )
        self.left = len(server.turns)

    def told(self, kind):
        return [data for name, data in self.events if name == kind]

    def answers(self):
        return [entry["content"] for entry in self.proposal.transcript if entry["role"] in ("tool", "human")][1:]


def test_a_proposal_from_first_word_to_submission(tmp_path, streaming):
    ran = Ran(tmp_path, [WRITE, FINISH], streaming=streaming, price=Price(2.0, 8.0))
    proposal = ran.proposal
    assert proposal.candidate == Candidate(source=SOURCE, language="python")
    assert (proposal.strategy, proposal.refusal) == ("one pass", None)
    assert (proposal.model_calls, proposal.tool_calls, proposal.tokens) == (2, 3, 220)
    assert proposal.cost_usd == pytest.approx((200 * 2 + 20 * 8) / 1e6)
    assert [one["approximate"] for one in ran.told("model_call")] == [False, False]
    assert [one["finish"] for one in ran.told("model_call")] == ["tool_calls", "tool_calls"]
    assert [(one["name"], one["ok"]) for one in ran.told("tool_call")] == [
        ("write_candidate", True),
        ("compile_candidate", True),
        ("submit", True),
    ]
    assert all(body.get("stream", False) is streaming for body in ran.server.requests)
    assert ran.server.keys == [f"Bearer {KEY}"] * 2
    offered = [tool["function"]["name"] for tool in ran.server.requests[0]["tools"]]
    assert offered[0] == "read_problem"
    assert len(offered) == 17
    assert offered == [tool["function"]["name"] for tool in ran.server.requests[1]["tools"]]


def test_a_server_that_tells_no_usage_is_estimated_and_the_cost_is_unknown(tmp_path, streaming):
    silent = Chat(calls=WRITE.calls, usage=None)
    ran = Ran(tmp_path, [silent, FINISH], streaming=streaming)
    assert [one["approximate"] for one in ran.told("model_call")] == [True, False]
    assert ran.told("model_call")[0]["tokens_in"] > 200
    assert ran.told("model_call")[0]["tokens_out"] > 5
    assert ran.proposal.cost_usd is None


def test_malformed_arguments_are_explained_and_never_sent_back(tmp_path, streaming):
    torn = Chat(calls=(("write_candidate", json.dumps({"source": SOURCE})[:-9]),), finish="length")
    ran = Ran(tmp_path, [torn, WRITE, FINISH], streaming=streaming)
    assert ran.proposal.candidate is not None
    told = ran.answers()[0]
    assert "no JSON object (Unterminated string" in told
    assert "write_candidate(source: string)" in told
    assert "length limit" in told
    assert "submit(strategy: string)" in told
    resent = ran.server.requests[1]["messages"][2]["tool_calls"][0]
    assert list(json.loads(resent["function"]["arguments"])) == ["malformed"]
    assert resent["id"] == ran.server.requests[1]["messages"][3]["tool_call_id"]
    assert not ran.told("tool_call")[0]["ok"]


@pytest.mark.parametrize("text", ["[1, 2]", '"source"', "nonsense", '{"source": "\\ud800"}'])
def test_arguments_that_are_no_object_of_text(tmp_path, streaming, text):
    ran = Ran(tmp_path, [Chat(calls=(("write_candidate", text),)), WRITE, FINISH], streaming=streaming)
    assert ran.answers()[0].startswith("This call was not carried out: the arguments ")
    assert ran.proposal.candidate is not None


def test_wrong_arguments_and_unknown_tools_are_answered_with_what_is_right(tmp_path, streaming):
    wrong = Chat(
        calls=(
            call("write_candidate", code=SOURCE),
            call("write_candidate", source=7),
            call("optimise it!", source=SOURCE),
            ("compile_candidate", ""),
        )
    )
    ran = Ran(tmp_path, [wrong, WRITE, FINISH], streaming=streaming)
    missing, number, unknown, empty = ran.answers()[:4]
    assert "source: Field required" in missing
    assert "code: Extra inputs are not permitted" in missing
    assert "Input should be a valid string" in number
    assert "no tool 'optimise_it_'" in unknown
    assert "read_candidate(id: string)" in unknown
    assert empty.startswith(("nothing is written", "This call was not carried out"))
    assert ran.proposal.candidate is not None


@pytest.mark.parametrize("indexed", [True, False])
def test_servers_that_give_no_ids_or_no_numbers(tmp_path, streaming, indexed):
    write = Chat(calls=WRITE.calls, ids=False, indexed=indexed)
    both = Chat(calls=FINISH.calls, ids=False, indexed=True)
    ran = Ran(tmp_path, [write, both], streaming=streaming)
    assert ran.proposal.candidate is not None
    calls = ran.proposal.transcript[4]["tool_calls"]
    assert len({one["id"] for one in calls}) == 2
    assert all(one["id"] for one in calls)


def raw(index, name, arguments, ident="", **more):
    return {"index": index, "id": ident, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


# The client itself warns, once, when it reads a loose stream.
loose_server = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")


@loose_server
def test_servers_that_send_objects_or_number_all_calls_the_same(tmp_path, streaming):
    loose = Chat(
        raw_calls=(
            raw(0, "write_candidate", {"source": SOURCE}, "a"),
            raw(0, "compile_candidate", None, "b"),
            raw(0, "submit", '{"strategy": "one pass"}', "c"),
        )
    )
    ran = Ran(tmp_path, [loose], streaming=streaming)
    assert ran.proposal.candidate == Candidate(source=SOURCE, language="python")
    assert ran.proposal.tool_calls == 3


@loose_server
def test_calls_that_are_no_calls(tmp_path, streaming):
    odd = Chat(raw_calls=({"index": 0, "id": "a", "type": "function", "function": {"name": None, "arguments": 7}},))
    ran = Ran(tmp_path, [odd, WRITE, FINISH], streaming=streaming)
    assert ran.proposal.candidate is not None
    assert "The tools are: " in ran.answers()[0]


def test_text_only_is_nudged_twice_and_then_given_up(tmp_path, streaming):
    ran = Ran(tmp_path, [Chat("Let me think."), Chat("Hm."), Chat("I would fuse it.")], streaming=streaming)
    assert ran.proposal.candidate is None
    assert ran.proposal.refusal == "no candidate: 3 replies in a row called no tool"
    assert ran.proposal.model_calls == 3
    assert all("write_candidate" in told for told in ran.answers())


def test_a_code_block_is_taken_as_a_candidate(tmp_path, streaming):
    block = Chat(f"Here it is:\n```python\n{SOURCE}```\nGood luck")
    ran = Ran(tmp_path, [block, Chat(calls=(call("submit", strategy="said"),))], streaming=streaming)
    assert ran.proposal.candidate == Candidate(source=SOURCE, language="python")
    assert "candidate" in ran.answers()[0]
    assert "compiles" in ran.answers()[0]


def test_a_compiled_candidate_survives_a_model_that_loses_the_thread(tmp_path):
    compiled = Chat(calls=(call("compile_candidate"),))
    ran = Ran(tmp_path, [WRITE, compiled, Chat("done"), Chat("done"), Chat("done")])
    assert ran.proposal.candidate == Candidate(source=SOURCE, language="python")
    assert ran.proposal.strategy == "submitted as it stood: 3 replies in a row called no tool"


def test_the_number_of_replies_is_bounded(tmp_path):
    ran = Ran(tmp_path, [Chat(calls=(call("read_log"),))] * 3, max_steps=3)
    assert ran.proposal.refusal == "no candidate: no submission within 3 replies"
    assert ran.proposal.model_calls == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_overload_is_waited_out(tmp_path, streaming, status):
    ran = Ran(tmp_path, [Failure(status), Failure(status), WRITE, FINISH], streaming=streaming)
    assert ran.proposal.candidate is not None
    assert [str(status) in one["text"] for one in ran.told("notice")] == [True, True]


def test_overload_that_lasts(tmp_path, streaming):
    with pytest.raises(ModelUnavailable, match="failed \\(500: overheated\\); try again later"):
        Ran(tmp_path, [Failure(500, "overheated")] * 3, streaming=streaming)


def test_a_server_that_asks_to_wait_too_long_is_given_up(tmp_path):
    with pytest.raises(ModelUnavailable, match="429"):
        Ran(tmp_path, [Failure(429, headers=(("Retry-After", "3600"),))])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "refused the request .400: no.; check --model"),
        (401, "refused the key .401: no.; set OPENAI_API_KEY"),
        (403, "refused the key .403"),
        (404, "knows no such model or path .404"),
        (422, "refused the request .422"),
    ],
)
def test_what_no_retry_mends_is_rejected_at_once(tmp_path, streaming, status, words):
    with pytest.raises(ModelRejected, match=words):
        Ran(tmp_path, [Failure(status)], streaming=streaming)


def test_the_key_is_never_told(tmp_path, streaming):
    with pytest.raises(ModelRejected) as caught:
        Ran(tmp_path, [Failure(401, f"Incorrect API key provided: {KEY}.\nSee\tthe site")], streaming=streaming)
    text = str(caught.value)
    assert KEY not in text
    assert "***. See the site" in text
    assert "\n" not in text


def test_a_server_that_hangs(tmp_path, streaming):
    with pytest.raises(ModelUnavailable, match="did not answer in time"):
        Ran(tmp_path, [Hang()] * 5, streaming=streaming, timeout_s=0.2)


def test_silence_is_tried_once_more_only():
    with OpenAIServer([Hang()] * 5) as server:
        model = make_model(
            ModelSettings(name="openai:m", base_url=server.url, timeout_s=0.2, max_retries=4, streaming=False)
        )
        with pytest.raises(ModelUnavailable):
            call_model(Equipped(model), [HumanMessage("hello")], 1, lambda kind, **data: None)
        assert len(server.requests) == 2
        assert server.keys[0] == "Bearer none"


def test_a_stream_that_breaks_is_asked_for_again(tmp_path):
    broken = Chat(calls=WRITE.calls, cut_after=4)
    ran = Ran(tmp_path, [broken, WRITE, FINISH])
    assert ran.proposal.candidate is not None
    assert len(ran.told("notice")) == 1
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        Ran(tmp_path, [broken] * 2, max_retries=1)


def test_no_server_at_all(streaming):
    with OpenAIServer([]) as server:
        gone = server.url
    with pytest.raises(ModelUnavailable, match=r"cannot be reached .*; check --base-url"):
        _ask(gone, streaming)


def _ask(url, streaming):
    settings = ModelSettings(name="openai:m", base_url=url, streaming=streaming, max_retries=0, timeout_s=5)
    return call_model(Equipped(make_model(settings)), [HumanMessage("hello")], 1, lambda kind, **data: None)


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b'{"choices": null}', b'{"choices": []}', b"{", b"", b"[]", b"null"]
)
def test_answers_that_are_no_completion(streaming, body):
    kind = "text/html" if body.startswith(b"<") else "application/json"
    told = pytest.raises(ModelUnavailable, match="check --base-url")
    with OpenAIServer([Failure(200, body=body, content_type=kind)] * 2) as server, told:
        _ask(server.url, streaming)


def test_an_error_inside_a_stream():
    body = b'data: {"error": {"message": "the engine died", "code": 500}}\n\n'
    told = pytest.raises(ModelUnavailable, match="the engine died")
    with OpenAIServer([Failure(200, body=body, content_type="text/event-stream")]) as server, told:
        _ask(server.url, True)


def test_a_huge_reply_is_cut(tmp_path):
    huge = "x" * (3 * MAX_REPLY_CHARS)
    ran = Ran(tmp_path, [Chat(huge), WRITE, FINISH])
    assert ran.proposal.candidate is not None
    assert ran.told("model_call")[0]["finish"] == "length"
    assert len(ran.proposal.transcript[2]["content"]) <= MAX_REPLY_CHARS
    assert len(json.dumps(ran.server.requests[2]["messages"])) < MAX_REPLY_CHARS


def test_a_huge_file_is_refused(tmp_path, streaming):
    huge = SOURCE + "# padding\n" * 30_000
    ran = Ran(tmp_path, [Chat(calls=(call("write_candidate", source=huge),)), WRITE, FINISH], streaming=streaming)
    assert "262144 are allowed" in ran.answers()[0]


def test_a_context_too_small_for_the_task(tmp_path, streaming):
    with pytest.raises(PromptTooLong, match="takes no prompt this long"):
        Ran(tmp_path, [Failure(400, "Requested tokens exceed context window of 512")] * 2, streaming=streaming)


def test_a_task_that_does_not_fit_is_told_in_less(tmp_path, streaming):
    small = Failure(400, "Requested tokens exceed context window of 4096")
    ran = Ran(tmp_path, [small, WRITE, FINISH], streaming=streaming, names=("guidance/scans", "guidance/precision"))
    assert ran.proposal.candidate is not None
    first, second, third = [body["messages"][1]["content"] for body in ran.server.requests]
    assert "Scans: cumulative sums" in first
    assert len(second) <= len(first) / 2
    assert "### guidance/precision" not in second
    assert "class Model: ..." in second
    assert third == second


def test_a_context_that_fills_up_ends_the_proposal(tmp_path, streaming):
    full = Failure(400, "This model's maximum context length is 4096 tokens")
    compiled = Chat(calls=(call("compile_candidate"),))
    ran = Ran(tmp_path, [WRITE, compiled, full, full], streaming=streaming)
    assert ran.proposal.candidate is not None
    assert "maximum context length" in ran.proposal.strategy
    ran = Ran(tmp_path, [Chat("well"), full, full], streaming=streaming)
    assert ran.proposal.refusal.startswith("no candidate: the model server at http://127.0.0.1")
