"""Whole runs with models behind servers: who writes what, caps, outages, and going on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.errors import ModelRejected
from agent.events import read_events
from agent.reporting import render_report
from agent.run import Seams, optimize, resume
from agent.stopping import StopFlag
from tools.errors import RequestError
from tools.fake_judge import FakeJudge

pytestmark = pytest.mark.enable_socket

FRUGAL = {"slots": 1, "streaming": False, "memory": False, "stall": 100, "max_seconds": 600.0}


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def source(value: int) -> str:
    return f"import torch\n\n\nclass ModelNew(torch.nn.Module):\n    value = {value}\n"


class Writer:
    """A server's script: every conversation writes, compiles and submits a value; ``gain`` says how good a model is."""

    def __init__(self, web, gains):
        self.web, self.gains = web, gains
        self.asked: list[str] = []
        self.down: dict[str, int] = {}
        """Model to the number of requests that still fail."""
        self.failure = web.Failure(503, "down", headers=())
        self.usage = (100, 10)

    def __call__(self, body):
        web, model = self.web, body["model"]
        self.asked.append(model)
        if self.down.get(model, 0) > 0:
            self.down[model] -= 1
            return self.failure
        if any(message["role"] == "tool" for message in body["messages"]):
            finish = (web.call("compile_candidate"), web.call("submit", strategy=f"by {model}"))
            return web.Chat(calls=finish, usage=self.usage)
        place = re.search(r"round=(\d+) slot=(\d+)", str(body["messages"]))
        value = 121 + int(place[1]) * self.gains[model] + 2 * int(place[2])
        return web.Chat(calls=(web.call("write_candidate", source=source(value | 1)),), usage=self.usage)


@pytest.fixture
def writer(web):
    return Writer(web, {"good": 20, "bad": 0})


def run(toy, home, server, *, time=None, subscribers=(), stop=None, **settings):
    time = time or Time()
    chosen = {**FRUGAL, "base_url": server.url, **settings}
    seams = Seams(judge=FakeJudge(toy.follow), clock=lambda: time.now, sleep=time.sleep, stop=stop or StopFlag())
    return optimize(toy.PROBLEM, toy.settings(home, **chosen), subscribers=subscribers, seams=seams)


def events_of(outcome):
    return read_events(Path(outcome.run_dir) / "events.jsonl")


def told(outcome, kind):
    return [event.data for event in events_of(outcome) if event.type == kind]


BOTH = "openai:good,openai:bad"


def test_two_models_write_and_the_report_says_who(toy, home, web, writer):
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model=BOTH, max_candidates=20, price_in=None)
    rows = {row["model"]: row for row in outcome.models}
    assert set(rows) == {"openai:good", "openai:bad"}
    origins = [data["origin"] for data in told(outcome, "proposed")]
    assert origins[:2] == ["openai:good", "openai:bad"], "each is tried first"
    assert {name: origins.count(name) for name in rows} == {name: row["proposals"] for name, row in rows.items()}
    assert rows["openai:good"]["proposals"] > rows["openai:bad"]["proposals"]
    assert sum(row["tokens"] for row in rows.values()) == outcome.tokens > 0
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1.0, abs=1e-3)
    assert {call["model"] for call in told(outcome, "model_call")} == set(rows)
    assert all(row["cost_usd"] is None for row in rows.values()), "unknown, not zero"
    assert outcome.cost_usd is None
    report = render_report(Path(outcome.run_dir))
    assert "| openai:good |" in report
    assert "| unknown |" in report


@pytest.mark.parametrize(("at", "slots"), [(1, 1), (4, 1), (7, 2)])
def test_who_is_asked_does_not_depend_on_when_a_run_was_interrupted(toy, home, web, writer, at, slots):
    with web.OpenAIServer(writer) as server:
        whole = run(toy, home / "a", server, model=BOTH, max_candidates=9, slots=slots)
        stop, seen = StopFlag(), []

        def interrupt(event):
            seen.append(event)
            if sum(one.type == "model_call" for one in seen) == at:
                stop.request("a test")

        broken = run(
            toy, home / "b", server, model=BOTH, max_candidates=9, slots=slots, stop=stop, subscribers=[interrupt]
        )
        assert broken.status == "interrupted"
        again = resume(Path(broken.run_dir), seams=Seams(judge=FakeJudge(toy.follow)))

    def facts(outcome):
        return sorted((one["round"], one["slot"], one["origin"], one["candidate"]) for one in told(outcome, "proposed"))

    assert facts(whole) == facts(again)
    # Of the other slot a reply may have been on its way, which only the machine's load decides.
    assert again.tokens - lost(again) == whole.tokens, "what was there when it stopped was not asked for again"


def lost(outcome) -> int:
    """Tokens that replies may have taken which nobody saw the end of."""
    calls = [data for data in told(outcome, "model_call") if data["finish"] == "lost"]
    return sum(data["tokens_in"] + data["tokens_out"] for data in calls)


def test_a_reply_that_was_on_its_way_is_asked_for_again_and_paid_twice(toy, home, web, writer):
    with web.OpenAIServer(writer) as server:
        whole = run(toy, home / "a", server, model="openai:good", max_candidates=4)
        stop, before = StopFlag(), len(writer.asked)

        def answer(body):
            if len(writer.asked) == before + 2:
                stop.request("a test")
            return writer(body)

        server.script = answer
        broken = run(toy, home / "b", server, model="openai:good", max_candidates=4, stop=stop)
        assert (broken.status, len(writer.asked)) == ("interrupted", before + 3)
        again = resume(Path(broken.run_dir), seams=Seams(judge=FakeJudge(toy.follow)))
    assert lost(again) > 0
    assert again.tokens - lost(again) == whole.tokens
    assert len(writer.asked) == 2 * before + 1


@pytest.mark.parametrize("slots", [1, 4])
def test_a_cap_on_tokens_holds(toy, home, web, writer, slots):
    writer.usage = (3000, 100)
    with web.OpenAIServer(writer) as server:
        outcome = run(
            toy,
            home,
            server,
            model="openai:good",
            max_tokens=40_000,
            max_reply_tokens=200,
            max_candidates=50,
            slots=slots,
        )
    assert outcome.stop_reason == "max_tokens"
    assert 20_000 < outcome.tokens <= 40_000
    capped = [data for data in told(outcome, "proposed") if data["capped"]]
    assert all(data["capped"] == "max_tokens" for data in capped)
    assert capped or outcome.tokens == 40_000


def test_a_cap_on_dollars_holds_over_a_resumption(toy, home, web, writer):
    stop, calls = StopFlag(), []

    def interrupt(event):
        calls.extend([event] if event.type == "model_call" else [])
        if len(calls) == 5:
            stop.request("a test")

    writer.usage = (3000, 100)
    prices = {"price_in": 10.0, "price_out": 10.0}
    with web.OpenAIServer(writer) as server:
        first = run(
            toy, home, server, model="openai:good", max_cost=0.4, max_reply_tokens=200, max_candidates=50,
            stop=stop, subscribers=[interrupt], **prices,
        )  # fmt: skip
        assert first.status == "interrupted"
        assert first.cost_usd == pytest.approx(5 * 3100 * 10 / 1e6)
        outcome = resume(Path(first.run_dir), seams=Seams(judge=FakeJudge(toy.follow)))
    assert outcome.stop_reason == "max_cost"
    assert 0.3 < outcome.cost_usd <= 0.4
    assert outcome.cost_usd == pytest.approx(len(writer.asked) * 3100 * 10 / 1e6), "every request was counted"


def test_a_call_that_a_kill_cut_off_is_counted_at_its_worst(toy, home, web, writer):
    """The log ends where the call was under way, as after kill -9."""
    writer.usage = (3000, 100)
    with web.OpenAIServer(writer) as server:
        stop = StopFlag()
        asked = []

        def interrupt(event):
            asked.extend([event] if event.type == "model_asked" else [])
            if len(asked) == 4:
                stop.request("a test")

        first = run(
            toy, home, server, model="openai:good", max_tokens=60_000, max_reply_tokens=200, max_candidates=50,
            stop=stop, subscribers=[interrupt],
        )  # fmt: skip
        log = Path(first.run_dir) / "events.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        cut = 1 + max(number for number, line in enumerate(lines) if b'"type": "model_asked"' in line)
        log.write_bytes(b"".join(lines[:cut]))
        paid = sum(b'"type": "model_call"' in line for line in lines[:cut])
        seams = Seams(judge=FakeJudge(toy.follow))
        outcome = resume(Path(first.run_dir), seams=seams)
    worst = asked[3].data["tokens"]
    calls = [data["tokens_in"] + data["tokens_out"] for data in told(outcome, "model_call")]
    assert (paid, outcome.stop_reason) == (3, "max_tokens")
    assert outcome.tokens == sum(calls) + worst <= 60_000


def test_a_cap_on_dollars_with_an_unknown_price_is_refused_up_front(toy, home, web, writer):
    with web.OpenAIServer(writer) as server:
        with pytest.raises(RequestError, match="--max-cost needs prices, and that of openai:bad is unknown"):
            run(toy, home, server, model="builtin,openai:bad", max_cost=1.0)
        assert server.requests == []
    assert not (home / "runs").exists()


def test_an_outage_pauses_the_run_and_its_time(toy, home, web, writer):
    """An hour and more without an answer, in a run that may last ten minutes."""
    time, kinds = Time(), []

    def watch(event):
        kinds.append(event.type)
        if event.type == "champion":
            writer.down.setdefault("good", 70)

    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model="openai:good", max_candidates=4, time=time, subscribers=[watch])
    assert (outcome.status, outcome.stop_reason, outcome.candidates) == ("improved", "max_candidates", 4)
    assert time.now > 3600
    assert outcome.elapsed_s < 120
    assert (kinds.count("model_paused"), kinds.count("model_resumed")) == (1, 1)
    assert kinds.index("model_paused") < kinds.index("model_resumed")


def test_a_provider_that_stays_away_ends_the_run_which_can_be_resumed(toy, home, web, writer):
    def watch(event):
        if event.type == "champion":
            writer.down.setdefault("good", 10**6)

    with web.OpenAIServer(writer) as server:
        outcome = run(
            toy, home, server, model="openai:good", max_candidates=4, max_outage_seconds=3600.0, subscribers=[watch]
        )
        assert (outcome.status, outcome.stop_reason, outcome.candidates) == ("improved", "model_unavailable", 1)
        writer.down.clear()
        again = resume(Path(outcome.run_dir), seams=Seams(judge=FakeJudge(toy.follow)))
    assert (again.status, again.stop_reason, again.candidates) == ("improved", "max_candidates", 4)
    assert again.best["speedup"] > outcome.best["speedup"]
    assert len(told(again, "run_finished")) == 2


def test_ctrl_c_in_a_pause_keeps_the_state(toy, home, web, writer):
    stop = StopFlag()

    def watch(event):
        if event.type == "champion":
            writer.down.setdefault("good", 10**6)
        if event.type == "model_paused":
            stop.request("SIGINT")

    with web.OpenAIServer(writer) as server:
        time = Time()
        outcome = run(
            toy, home, server, model="openai:good", max_candidates=3, stop=stop, subscribers=[watch], time=time
        )
        assert outcome.status == "interrupted"
        assert time.now < 60
        writer.down.clear()
        again = resume(Path(outcome.run_dir), seams=Seams(judge=FakeJudge(toy.follow)))
    assert (again.status, again.candidates) == ("improved", 3)


def test_the_others_go_on_while_one_is_out(toy, home, web, writer):
    writer.down["bad"] = 10**6
    time = Time()
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model=BOTH, max_candidates=6, time=time)
    assert (outcome.stop_reason, outcome.candidates) == ("max_candidates", 6)
    assert {data["origin"] for data in told(outcome, "proposed")} == {"openai:good"}
    assert [data["model"] for data in told(outcome, "model_paused")] == ["openai:bad"]
    assert time.now < 120, "nobody waited for it"


def test_a_key_that_is_revoked_takes_one_model_out(toy, home, web, writer):
    def watch(event):
        answered = [name for name in writer.asked if name == "bad"]
        if event.type == "judged" and len(answered) >= 2:
            writer.down.setdefault("bad", 10**6)

    writer.failure = web.Failure(401, "revoked")
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model=BOTH, max_candidates=14, subscribers=[watch])
    assert (outcome.stop_reason, outcome.candidates) == ("max_candidates", 14)
    (paused,) = told(outcome, "model_paused")
    assert (paused["model"], paused["retry_in_s"]) == ("openai:bad", None)
    assert "refused the key" in paused["reason"]


def test_a_model_the_server_does_not_know_ends_the_run_at_once(toy, home, web, writer):
    writer.failure, writer.down["bad"] = web.Failure(404, "no such model"), 10**6
    with web.OpenAIServer(writer) as server, pytest.raises(ModelRejected, match="kernelwright doctor"):
        run(toy, home, server, model="openai:bad", max_candidates=6)


def test_a_request_rate_is_kept_by_a_whole_run(toy, home, web, writer):
    time, at = Time(), []

    def watch(event):
        at.extend([time.now] if event.type == "model_call" else [])

    with web.OpenAIServer(writer) as server:
        run(
            toy, home, server, model="openai:good", max_candidates=6, requests_per_minute=4, time=time,
            subscribers=[watch],
        )  # fmt: skip
    assert len(at) == 12
    assert max(sum(begin <= other < begin + 60 for other in at) for begin in at) == 4


@pytest.mark.parametrize(("wait", "slept"), [("7", 7.0), ("3600", 3600.0)])
def test_what_a_server_asks_to_wait_is_waited(toy, home, web, writer, wait, slept):
    writer.failure = web.Failure(429, "slow down", headers=(("Retry-After", wait),))

    def watch(event):
        if event.type == "champion":
            writer.down.setdefault("good", 1)

    time = Time()
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model="openai:good", max_candidates=2, time=time, subscribers=[watch])
    assert outcome.candidates == 2
    assert slept <= time.now < slept + 5


def test_a_quota_that_is_used_up_is_not_hammered(toy, home, web, writer):
    body = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    writer.failure = web.Failure(429, headers=(), body=body)

    def watch(event):
        if event.type == "champion":
            writer.down.setdefault("good", 3)

    time = Time()
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model="openai:good", max_candidates=2, time=time, subscribers=[watch])
    assert outcome.candidates == 2
    assert len(writer.asked) == 2 + 3 + 2
    assert time.now == pytest.approx(15 + 30 + 60)


def test_a_model_that_submits_the_reference_is_told_by_the_judge(toy, home, web):
    """Every proposal is the same file: judged once, then the run ends because nothing new comes."""
    writer = Writer(web, {"good": 0})
    with web.OpenAIServer(writer) as server:
        outcome = run(toy, home, server, model="openai:good", max_candidates=9)
    assert (outcome.candidates, outcome.stop_reason) == (1, "exhausted")
