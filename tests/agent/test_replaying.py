"""A run is told again from its log and its store; nothing else is asked, and nothing else is needed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RunError
from agent.events import read_events
from agent.replaying import replay
from agent.run import Outcome, Seams, optimize, resume
from agent.stopping import StopFlag
from tools.fake_judge import FakeJudge
from tools.verdict import Verdict

LEFT = ("report.md", "report.html", "verdict.json", "best.py", "transcript.jsonl")


class Unasked:
    """A judge and a model that nobody may ask: whatever is looked up in them is a failure."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("a proposal was asked for")


def search(toy, home: Path, judge: Any = None, **settings: Any) -> Outcome:
    judge = judge or FakeJudge(toy.follow, confirmations=toy.collapse)
    seams = Seams(judge=judge, propose=toy.climb, model=object())
    return optimize(toy.PROBLEM, toy.settings(home, **settings), seams=seams)


def bare(folder: Path, at: Path) -> Path:
    """Only the log and the store."""
    at.mkdir()
    shutil.copy(folder / "events.jsonl", at)
    shutil.copytree(folder / "artifacts", at / "artifacts")
    return at


def state_of(folder: Path, run_id: str) -> dict[str, Any]:
    """The graph's state in its last checkpoint."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    with closing(sqlite3.connect(folder / "checkpoints.db")) as connection:
        saved = SqliteSaver(connection).get_tuple({"configurable": {"thread_id": run_id}})
    assert saved is not None
    return dict(saved.checkpoint["channel_values"])


def test_the_log_and_the_store_are_enough(toy, home: Path, tmp_path: Path) -> None:
    outcome = search(toy, home, max_candidates=6)
    folder = Path(outcome.run_dir)
    told = replay(bare(folder, tmp_path / "bare"))

    assert outcome.status == "improved"
    assert told.outcome == outcome.at(tmp_path / "bare")
    assert set(told.files) == set(LEFT)
    for name in LEFT:
        assert told.files[name].encode() == (folder / name).read_bytes(), name
    assert replay(folder).differences(folder) == []
    # The problem, too: a log says what it was about.
    started = next(event for event in read_events(folder / "events.jsonl") if event.type == "run_started")
    stored = started.data["source"]
    assert (folder / "artifacts" / stored[:2] / stored[2:]).read_text() == toy.PROBLEM.source


@pytest.mark.parametrize(
    "settings", [{"max_candidates": 6}, {"stall": 2, "max_candidates": 30}, {"target_speedup": 1.2}, {"max_tokens": 30}]
)
def test_the_state_is_what_the_graph_had(toy, home: Path, settings: dict[str, Any]) -> None:
    outcome = search(toy, home, **settings)
    state, progress = state_of(Path(outcome.run_dir), outcome.run_id), replay(Path(outcome.run_dir)).progress
    assert progress.rounds == state["round"]
    for name in ("champion", "since_better", "barren_rounds", "faults", "stop_reason", "confirmed"):
        assert getattr(progress, name) == state[name], name
    assert progress.stop_reason == outcome.stop_reason
    assert len(progress.judged) == outcome.candidates


def test_what_was_worked_out_is_not_merely_read_back(toy, home: Path) -> None:
    """A log whose last line was doctored does not convince."""
    folder = Path(search(toy, home).run_dir)
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    last = json.loads(lines[-1])
    last["data"] |= {"accepted": 99, "tokens": 1}
    (folder / "events.jsonl").write_text("".join([*lines[:-1], json.dumps(last) + "\n"]))
    assert replay(folder).differences(folder) == ["outcome.accepted", "outcome.tokens"]


def test_a_changed_file_is_noticed(toy, home: Path) -> None:
    folder = Path(search(toy, home).run_dir)
    (folder / "best.py").write_text("class ModelNew: ...")
    (folder / "report.md").unlink()
    assert replay(folder).differences(folder) == ["best.py", "report.md"]


def test_a_run_without_improvement_a_failed_and_an_interrupted_one(toy, home: Path) -> None:
    wrong = search(toy, home, FakeJudge(lambda _: toy.rejected("wrong_output")), max_candidates=3)
    told = replay(Path(wrong.run_dir))
    assert (told.outcome, told.differences(Path(wrong.run_dir))) == (wrong, [])
    assert set(told.files) == {"report.md", "report.html", "transcript.jsonl"}

    broken = Verdict(status="infrastructure_error", reason="infrastructure", detail="it broke")
    failed = search(toy, home, FakeJudge(lambda _: broken))
    told = replay(Path(failed.run_dir))
    assert (told.outcome, told.files, told.progress.faults) == (failed, {}, 3)

    stop = StopFlag()

    def ask(event: Any) -> None:
        if event.type == "judged":
            stop.request("a test")

    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object(), stop=stop)
    cut = optimize(toy.PROBLEM, toy.settings(home), subscribers=[ask], seams=seams)
    told = replay(Path(cut.run_dir))
    assert (told.outcome, told.files, len(told.tree)) == (None, {}, 1)


def test_a_log_of_an_earlier_version_is_told_too(toy, home: Path) -> None:
    """Without the events and fields that came later, only what they alone said is unknown."""
    outcome = search(toy, home)
    folder = Path(outcome.run_dir)
    log, later = folder / "events.jsonl", ("round_ended", "search_ended", "replied", "answered")
    kept = [
        line for line in log.read_text().splitlines(keepends=True) if not any(f'"{name}"' in line for name in later)
    ]
    log.write_text("".join(kept))
    told = replay(folder)
    assert told.outcome == outcome
    assert told.differences(folder) == []
    assert told.progress.since_better is None


def test_a_lost_artifact_is_told(toy, home: Path) -> None:
    folder = Path(search(toy, home).run_dir)
    shutil.rmtree(folder / "artifacts")
    with pytest.raises(RunError, match="cannot be told again: no artifact"):
        replay(folder)


@pytest.mark.parametrize("settings", [{"max_candidates": 6}, {"max_tokens": 50}, {"stall": 2, "max_candidates": 30}])
def test_the_graph_itself_needs_neither_model_nor_judge_to_get_there_again(toy, home: Path, settings: Any) -> None:
    """Every checkpoint lost and everything that the end left: the log alone leads to the same end."""
    outcome = search(toy, home, **settings)
    folder = Path(outcome.run_dir)
    before = {name: (folder / name).read_bytes() for name in LEFT}
    log = folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]))  # run_finished
    for path in (*(folder / name for name in LEFT), *folder.glob("checkpoints.db*")):
        path.unlink()

    unasked: Any = Unasked()
    again = resume(folder, seams=Seams(judge=unasked, propose=refuse, model=unasked))

    assert {**again.to_json(), "elapsed_s": 0} == {**outcome.to_json(), "elapsed_s": 0}
    for name in set(LEFT) - {"report.md", "report.html"}:
        assert (folder / name).read_bytes() == before[name], name
    assert len([event for event in read_events(log) if event.type == "judged"]) == outcome.candidates
