from __future__ import annotations

from pathlib import Path

from agent.reporting import render_report
from agent.run import Seams, optimize
from tools.fake_judge import FakeJudge


def test_the_report_can_be_made_again_from_the_log(toy, home: Path) -> None:
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home), seams=seams)
    folder = Path(outcome.run_dir)
    assert render_report(folder) == (folder / "report.md").read_text()


def test_a_run_that_has_not_ended_has_a_report(toy, home: Path) -> None:
    seams = Seams(judge=FakeJudge({}), propose=toy.climb, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home), seams=seams)
    assert outcome.status == "failed"
    folder = Path(outcome.run_dir)
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    (folder / "events.jsonl").write_text("".join(lines[:-1]))
    text = render_report(folder)
    assert text.startswith("# toy: not finished")
    assert "## Baselines" in text
    assert "## Candidates" not in text


def test_what_a_model_writes_cannot_break_the_table(toy, home: Path) -> None:
    def propose(task, **_):
        return toy.proposal(150, strategy="a | b\n# not a heading | c")

    seams = Seams(judge=FakeJudge(toy.follow), propose=propose, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home, max_candidates=1), seams=seams)
    text = (Path(outcome.run_dir) / "report.md").read_text()
    assert r"| a \| b # not a heading \| c |" in text
    assert "\n# not" not in text
