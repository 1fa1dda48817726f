"""Times of day and durations as people write them, and what a deadline does to a run."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from agent.deadlines import to_deadline, to_seconds
from agent.run import Seams, optimize
from agent.settings import AgentSettings
from tools.fake_judge import FakeJudge

NOW = datetime(2026, 11, 29, 22, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90.0),
        ("90", 90.0),
        ("90s", 90.0),
        ("1h 30min", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172800.0),
        ("90m", 5400.0),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert to_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "5 hours", "-3h", True])
def test_what_is_no_duration(text: object) -> None:
    assert to_seconds(text) is None


@pytest.mark.parametrize(
    ("value", "when"),
    [
        ("07:30", datetime(2026, 11, 30, 7, 30, tzinfo=UTC)),
        (time(23, 0), datetime(2026, 11, 29, 23, 0, tzinfo=UTC)),
        ("8h", NOW + timedelta(hours=8)),
        ("2026-12-01T07:30", datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        (datetime(2026, 12, 1, 7, 30), datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
    ],
)
def test_deadlines(value: object, when: datetime) -> None:
    assert to_deadline(value, NOW) == when


def test_a_wrong_deadline_says_how_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"'soon' is no deadline: write a time of day"):
        to_deadline("soon", NOW)


def test_a_stored_deadline_does_not_move(tmp_path: Path) -> None:
    settings = AgentSettings(home=tmp_path, deadline="8h")
    assert AgentSettings.restore(settings.model_dump(mode="json"), environ={}).deadline == settings.deadline


def test_no_candidate_begins_after_the_deadline_and_what_was_found_counts(toy, home: Path) -> None:
    wall = [NOW.timestamp()]

    def pass_an_hour(event) -> None:
        if event.type == "judged":
            wall[0] += 3600

    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object(), wall=lambda: wall[0])
    settings = toy.settings(home, max_candidates=9, deadline=NOW + timedelta(hours=1.5), max_seconds=9e9)
    outcome = optimize(toy.PROBLEM, settings, subscribers=[pass_an_hour], seams=seams)
    assert (outcome.status, outcome.stop_reason, outcome.candidates) == ("improved", "deadline", 2)
