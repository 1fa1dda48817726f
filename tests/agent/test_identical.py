"""The same seed, model and judge make the same run; stopping it and going on changes nothing but the time it took."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.events import Event, read_events
from agent.run import Outcome, Seams, optimize, resume
from agent.scripted import ScriptedChatModel
from tools.fake_judge import FakeJudge

MEASURED = {"time", "elapsed_s", "seconds"}
CONVERSATION = ("researched", "model_call", "tool_call", "replied", "answered", "proposed")
"""Written by the conversations of a round, which go on side by side."""


@pytest.fixture
def faults(toy) -> Any:
    """The module toy_faults.py, which imports toy_search."""
    spec = importlib.util.spec_from_file_location("toy_faults", Path(__file__).with_name("toy_faults.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_faults"] = module
    spec.loader.exec_module(module)
    return module


def search(toy, faults, home: Path, subscribers: Any = (), **settings: Any) -> Outcome:
    return optimize(
        toy.PROBLEM,
        toy.settings(home, max_candidates=6, **settings),
        subscribers=subscribers,
        seams=seams(toy, faults),
    )


def seams(toy, faults) -> Seams:
    judge = FakeJudge(toy.follow, confirmations=toy.collapse)
    return Seams(judge=judge, model=ScriptedChatModel(script=faults.script))


def told(outcome: Outcome, home: Path) -> list[dict[str, Any]]:
    """The log without what was measured, and without names that are made up anew for each run."""
    text = (Path(outcome.run_dir) / "events.jsonl").read_text()
    text = text.replace(outcome.run_id, "RUN").replace(str(home), "HOME")
    # Replies hold how long they took: their artifacts' names do, too.
    text = re.sub(r'"reply": "[0-9a-f]{64}"', '"reply": ""', text)
    return [without(json.loads(line)) for line in text.splitlines()]


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(item) for name, item in value.items() if name not in MEASURED}
    return [without(item) for item in value] if isinstance(value, list) else value


def test_two_runs_with_one_slot_write_the_same_log(toy, faults, tmp_path: Path) -> None:
    one = search(toy, faults, tmp_path / "one", slots=1)
    two = search(toy, faults, tmp_path / "two", slots=1)
    assert told(one, tmp_path / "one") == told(two, tmp_path / "two")
    assert len(told(one, tmp_path / "one")) > 60


def test_two_runs_with_two_slots_write_the_same_but_for_what_goes_on_side_by_side(toy, faults, tmp_path: Path) -> None:
    def ordered(outcome: Outcome, home: Path) -> list[dict[str, Any]]:
        events = [{**event, "seq": 0} for event in told(outcome, home)]
        rounds, arranged = [], []
        for event in [*events, {"type": ""}]:
            if event["type"] in CONVERSATION:
                rounds.append(event)
                continue
            # Sorting is stable: within a slot the order stays.
            arranged += [*sorted(rounds, key=lambda one: one["data"]["slot"]), event]
            rounds = []
        return arranged

    one, two = search(toy, faults, tmp_path / "one"), search(toy, faults, tmp_path / "two")
    assert ordered(one, tmp_path / "one") == ordered(two, tmp_path / "two")


def test_another_seed_is_another_run(toy, faults, tmp_path: Path) -> None:
    """So that the comparison above is known to see a difference."""
    one = search(toy, faults, tmp_path / "one", slots=1)
    two = search(toy, faults, tmp_path / "two", slots=1, seed=5)
    assert told(one, tmp_path / "one") != told(two, tmp_path / "two")


@pytest.mark.parametrize("type_", ["replied", "model_call", "tool_call", "answered", "proposed", "judging", "judged"])
def test_ctrl_c_drains_and_the_run_goes_on_with_the_same_accounts(toy, faults, tmp_path: Path, type_: str) -> None:
    unbroken = search(toy, faults, tmp_path / "unbroken", slots=1)
    seen = 0

    def interrupt(event: Event) -> None:
        nonlocal seen
        seen += event.type == type_
        if event.type == type_ and seen == 2:
            os.kill(os.getpid(), signal.SIGINT)

    cut = search(toy, faults, tmp_path / "cut", [interrupt], slots=1)
    assert cut.status == "interrupted"
    whole = read_events(Path(cut.run_dir) / "events.jsonl")
    assert [event.seq for event in whole] == list(range(len(whole)))

    model = ScriptedChatModel(script=faults.script)
    judge = FakeJudge(toy.follow, confirmations=toy.collapse)
    again = resume(Path(cut.run_dir), seams=Seams(judge=judge, model=model))

    facts = ("status", "candidates", "accepted", "tokens", "cost_usd", "stored", "stop_reason", "candidates_to_best")
    assert {name: getattr(again, name) for name in facts} == {name: getattr(unbroken, name) for name in facts}
    assert again.elapsed_s >= cut.elapsed_s
    asked = sum(event.type == "replied" for event in whole) + len(model.calls)
    log = read_events(Path(unbroken.run_dir) / "events.jsonl")
    assert asked == sum(event.type == "replied" for event in log), "each reply was asked for once"
    before = [event.data["candidate"] for event in whole if event.type == "judged"]
    assert not set(before) & set(judge.judged)
