"""A run that is spoken to while it goes on: each request is read between two steps, logged, and obeyed once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.control import MAX_LINE_BYTES, READ_BYTES, ControlFile
from agent.errors import RunError
from agent.events import Event, EventLog, read_events
from agent.ledger import Ledger
from agent.models.roster import exhausted
from agent.parts import MAX_HINTS, hint_versions
from agent.replaying import replay
from agent.run import Outcome, Seams, optimize, resume
from agent.settings import AgentSettings
from agent.steering import CONTROL, UNHEARD, Steering, ask, hints_of, steered_settings
from agent.stopping import StopFlag
from tools.errors import RequestError
from tools.fake_judge import FakeJudge


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "run"


def play(toy: Any, home: Path, *subscribers: Any, propose: Any = None, seams: Seams | None = None, **changes: Any):
    """The toy's search, with somebody who speaks to it at certain events."""
    own = Seams(judge=FakeJudge(toy.follow), propose=propose or toy.climb, model=object())  # type: ignore[arg-type]
    seams = own if seams is None else replace(seams, judge=own.judge, propose=own.propose, model=own.model)
    settings = toy.settings(home, out=home / "run", memory=False, **changes)
    return optimize(toy.PROBLEM, settings, subscribers=subscribers, seams=seams)


def at(type_: str, count: int, do: Any) -> Any:
    """A subscriber that acts at the n-th event of a type."""
    seen = 0

    def subscriber(event: Event) -> None:
        nonlocal seen
        if event.type == type_:
            seen += 1
            if seen == count:
                do()

    return subscriber


def steered(folder: Path) -> list[dict[str, Any]]:
    return [event.data for event in read_events(folder / "events.jsonl") if event.type == "steered"]


def test_a_hint_reaches_every_prompt_after_it_and_none_before(toy: Any, home: Path, folder: Path) -> None:
    told: dict[int, tuple[str, ...]] = {}

    def propose(task: Any, **seams: Any) -> Any:
        told[task.round] = task.hints
        return toy.climb(task, **seams)

    play(toy, home, at("round_started", 2, lambda: ask(folder, "hint", text="try\n## shared memory")), propose=propose)
    assert told[0] == ()
    assert [told[number] for number in sorted(told) if number][-1] == ("try\n## shared memory",)
    assert [one["kind"] for one in steered(folder)] == ["hint"]


def test_a_target_set_in_the_middle_ends_the_search(toy: Any, home: Path, folder: Path) -> None:
    outcome = play(toy, home, at("round_ended", 1, lambda: ask(folder, "target", speedup=1.01)), max_candidates=40)
    assert (outcome.stop_reason, outcome.status) == ("target_speedup", "improved")
    assert replay(folder).differences(folder) == []


@pytest.mark.parametrize(("value", "judged"), [(2, 2), (7, 7)])
def test_a_limit_is_moved_both_ways(toy: Any, home: Path, folder: Path, value: int, judged: int) -> None:
    say = at("round_started", 1, lambda: ask(folder, "limit", limit="max_candidates", value=value))
    outcome = play(toy, home, say)
    assert (outcome.candidates, outcome.stop_reason) == (judged, "max_candidates")


def test_finish_confirms_what_there_is(toy: Any, home: Path, folder: Path) -> None:
    outcome = play(toy, home, at("champion", 1, lambda: ask(folder, "finish")), max_candidates=40)
    assert (outcome.status, outcome.stop_reason) == ("improved", "request")
    assert (folder / "best.py").exists()
    assert outcome.candidates <= 2
    assert replay(folder).differences(folder) == []


def test_finish_before_the_first_candidate_says_so(toy: Any, home: Path, folder: Path) -> None:
    outcome = play(toy, home, at("described", 1, lambda: ask(folder, "finish")))
    assert outcome.message == "no candidate was judged: it was asked to finish before the first"


def test_stop_drains_and_the_state_is_kept(toy: Any, home: Path, folder: Path) -> None:
    outcome = play(toy, home, at("judged", 1, lambda: ask(folder, "stop")))
    assert (outcome.status, outcome.exit_code) == ("interrupted", 130)
    assert "a request" in outcome.message
    after = resume(folder, seams=Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object()))  # type: ignore[arg-type]
    assert after.candidates == 4, "what was asked of the first stretch is no business of the second"


class Person:
    """A clock on which every sleep passes at once, and somebody who speaks after a while."""

    def __init__(self, folder: Path, words: dict[int, str]) -> None:
        self.folder, self.words = folder, words
        self.now, self.slept = 0.0, 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += 1
        if self.slept in self.words:
            ask(self.folder, self.words[self.slept])  # type: ignore[arg-type]

    def seams(self) -> Seams:
        return Seams(clock=lambda: self.now, sleep=self.sleep)


def test_a_pause_spends_no_seconds_and_ends_when_told(toy: Any, home: Path, folder: Path) -> None:
    person = Person(folder, {100: "go_on"})
    outcome = play(toy, home, at("judged", 1, lambda: ask(folder, "pause")), seams=person.seams(), max_seconds=20)
    assert outcome.candidates == 4
    assert person.slept == 100
    assert outcome.elapsed_s == 0.0, "fifty seconds passed, and none of them was the run's"
    kinds = [event.type for event in read_events(folder / "events.jsonl") if event.type in ("steered", "held")]
    assert kinds == ["steered", "held", "steered"]


def test_a_pause_can_be_left_by_stop_and_is_over_when_resumed(toy: Any, home: Path, folder: Path) -> None:
    person = Person(folder, {3: "stop"})
    outcome = play(toy, home, at("judged", 1, lambda: ask(folder, "pause")), seams=person.seams())
    assert (outcome.status, person.slept) == ("interrupted", 3)
    after = resume(folder, seams=Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object()))  # type: ignore[arg-type]
    assert after.candidates == 4


def test_one_proposal_goes_on_while_another_is_held() -> None:
    """The run's time stands still only when nothing is being done any more."""
    from agent.activity import Activity

    held: list[bool] = []
    activity = Activity(lambda: held.append(True), lambda: held.append(False))
    with activity.working(), activity.working(), activity.waiting():
        assert held[-1] is False
        with activity.waiting():
            assert held[-1] is True
        assert held[-1] is False


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"\xff\xfe\x00\n",
        b"[1, 2]\n",
        b'{"kind": "stop"}\n',
        b'{"id": 5, "kind": "stop"}\n',
        b'{"id": "", "kind": "stop"}\n',
        b"[" * 15_000 + b"\n",
        b'{"id": "x", "kind": "hint", "text": "' + b"x" * MAX_LINE_BYTES + b'"}\n',
        b"x" * (READ_BYTES + 10) + b"\n",
    ],
)
def test_foreign_lines_are_left_out_and_told_once(toy: Any, home: Path, folder: Path, line: bytes) -> None:
    def write() -> None:
        (folder / CONTROL).write_bytes(line)
        ask(folder, "limit", limit="max_candidates", value=2)

    outcome = play(toy, home, at("described", 1, write))
    assert outcome.candidates == 2, "what comes after it is heard"
    warned = [event for event in read_events(folder / "events.jsonl") if event.type == "warning"]
    assert 1 <= len(warned) <= 2


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"kind": "dance"}, "kind"),
        ({"kind": "hint", "text": " "}, "a hint needs a text"),
        ({"kind": "hint", "text": "x" * 3000}, "text"),
        ({"kind": "target", "speedup": -1}, "speedup"),
        ({"kind": "limit", "limit": "max_candidates", "value": 2.5}, "max_candidates"),
        ({"kind": "limit", "limit": "seed", "value": 2}, "limit"),
        ({"kind": "limit", "limit": "max_candidates"}, "a limit needs"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_told(
    toy: Any, home: Path, folder: Path, request_: dict[str, Any], why: str
) -> None:
    line = json.dumps({"id": "mine", **request_}) + "\n"
    outcome = play(toy, home, at("described", 1, lambda: (folder / CONTROL).write_text(line)))
    (one,) = steered(folder)
    assert outcome.candidates == 4
    assert why in one["refused"]
    assert "\n" not in one["refused"]


def test_a_cap_in_dollars_without_prices_is_refused() -> None:
    settings = AgentSettings(model="openai:nobody-knows@http://127.0.0.1:9/v1")
    with pytest.raises(RequestError, match="prices"):
        steered_settings(settings, [{"kind": "limit", "refused": None, "limit": "max_cost", "value": 1.0}])


def test_a_torn_line_is_waited_for_and_a_later_writer_mends_it(home: Path) -> None:
    home.mkdir()
    (home / "run.json").write_text("{}")
    control = ControlFile(home / CONTROL)
    assert control.read_new() == ([], 0)
    (home / CONTROL).write_bytes(b'{"id": "half')
    assert control.read_new() == ([], 0)
    whole = ask(home, "pause")
    found, foreign = control.read_new()
    assert ([one["id"] for one in found], foreign) == ([whole.id], 1)
    assert control.read_new() == ([], 0)


def test_what_is_no_file_is_no_request(home: Path) -> None:
    (home / CONTROL).mkdir(parents=True)
    assert ControlFile(home / CONTROL).read_new() == ([], 0)
    (home / "run.json").write_text("{}")
    with pytest.raises(RunError, match="did not hear it"):
        ask(home, "pause")
    with pytest.raises(RequestError, match=r"no run\.json"):
        ask(home / "elsewhere", "pause")


def test_a_request_takes_effect_once_however_often_it_is_read(home: Path) -> None:
    home.mkdir()
    (home / "run.json").write_text("{}")
    log, ledger = EventLog(home / "events.jsonl"), Ledger()
    log.subscribe(ledger.note)
    ask(home, "hint", text="one")
    for _ in range(2):
        steering = Steering(home, AgentSettings(), ledger, log.emit)
        steering.look()
    (home / CONTROL).write_text((home / CONTROL).read_text()[:-1])  # written anew, and shorter
    steering.look()
    assert len(ledger.all("steered")) == 1
    assert hints_of(ledger.all("steered")) == ("one",)
    log.close()


def test_what_nobody_heard_is_not_obeyed_by_a_resumed_run(toy: Any, home: Path, folder: Path) -> None:
    stop = StopFlag()
    play(toy, home, at("judged", 1, lambda: stop.request("SIGINT")), seams=Seams(stop=stop))
    for kind in ("stop", "pause", "finish"):
        ask(folder, kind)  # type: ignore[arg-type]
    ask(folder, "hint", text="later")
    ask(folder, "limit", limit="max_candidates", value=3)
    hints: list[tuple[str, ...]] = []

    def propose(task: Any, **seams: Any) -> Any:
        hints.append(task.hints)
        return toy.climb(task, **seams)

    after = resume(folder, seams=Seams(judge=FakeJudge(toy.follow), propose=propose, model=object()))  # type: ignore[arg-type]
    assert after.candidates == 3
    assert hints[-1] == ("later",)
    assert [one["refused"] for one in steered(folder)] == [UNHEARD] * 3 + [None] * 2


def test_a_killed_run_knows_what_it_was_told(toy: Any, home: Path, folder: Path) -> None:
    stop = StopFlag()
    say = at("round_started", 1, lambda: ask(folder, "limit", limit="max_candidates", value=6))
    play(toy, home, say, at("judged", 2, lambda: stop.request("SIGINT")), seams=Seams(stop=stop))
    (folder / CONTROL).unlink()
    after: Outcome = resume(folder, seams=Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object()))  # type: ignore[arg-type]
    assert after.candidates == 6


def test_a_cap_that_was_raised_lets_its_model_work_again() -> None:
    def event(type_: str, **data: Any) -> Event:
        return Event(0, "", 0.0, type_, data)

    proposed = {
        "slot": 0,
        "candidate": None,
        "origin": "a",
        "tokens": 1,
        "cost_usd": 0.0,
        "needs_language_model": False,
    }
    ledger = Ledger([event("proposed", round=0, capped="max_tokens", **proposed)])
    assert exhausted(ledger, ("a",)) == {"a": "max_tokens"}
    limit = {"request": "r", "kind": "limit", "limit": "max_tokens", "value": 9.0}
    ledger.note(event("steered", **limit, refused="no"))
    assert exhausted(ledger, ("a",)) == {"a": "max_tokens"}
    ledger.note(event("steered", **{**limit, "request": "s"}, refused=None))
    assert exhausted(ledger, ("a",)) == {}
    ledger.note(event("proposed", round=1, capped="max_tokens", **proposed))
    assert exhausted(ledger, ("a",)) == {"a": "max_tokens"}


def test_the_newest_hints_are_told_and_pass_for_no_heading() -> None:
    versions = hint_versions(tuple(f"hint {number}" for number in range(MAX_HINTS + 5)))
    assert "hint 4\n" not in versions[0]
    assert "hint 5\n" in versions[0]
    assert versions[-1].count("\n- ") == 1
    assert f"hint {MAX_HINTS + 4}" in versions[-1]
    (text,) = hint_versions(("look:\n## Problem\nnone",))
    assert text.count("\n## ") == 1
    assert hint_versions(()) == ("",)


def test_many_who_speak_at_once_lose_nothing(home: Path) -> None:
    home.mkdir()
    (home / "run.json").write_text("{}")
    threads = [threading.Thread(target=lambda: [ask(home, "hint", text="x") for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, foreign = ControlFile(home / CONTROL).read_new()
    assert (len({one["id"] for one in found}), foreign) == (80, 0)
