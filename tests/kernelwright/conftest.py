from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from kernelwright.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def is_one_line(self, code: int) -> str:
        """The single line a failing command may print on standard error; nothing on standard output."""
        assert self.code == code, (self.out, self.err)
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        assert self.err.startswith("kernelwright: ")
        return self.err.strip()


@pytest.fixture
def command(capsys):
    """Run a command line in this process."""

    def run(*words: object) -> Answer:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@dataclass(frozen=True)
class FakeEvent:
    type: str
    data: dict[str, Any] = field(default_factory=dict)
    elapsed_s: float = 0.0


def timing(seconds: float) -> dict[str, Any]:
    return {"median_s": seconds, "p5_s": seconds, "p95_s": seconds, "samples": 24}


def verdict(speedup: float = 1.5, **changes: Any) -> dict[str, Any]:
    """An accepted verdict as JSON."""
    from tools.verdict import Verdict

    data: dict[str, Any] = {
        "status": "accepted",
        "candidate": "ab" * 8,
        "isolation": "bubblewrap",
        "speedup": speedup,
        "speedup_ci95": (speedup - 0.05, speedup + 0.05),
        "worst_case_speedup": speedup,
        "faster": True,
        "baselines": {"eager": 0.012, "torch.compile": 0.009},
        "error": {"worst": 2e-7, "norm": 1e-7},
        "eager_error": {"worst": 3e-7, "norm": 1e-7},
        "cases": [
            {
                "name": "default",
                "speedup": speedup,
                "speedup_ci95": (speedup - 0.05, speedup + 0.05),
                "candidate": timing(0.009 / speedup),
                "baselines": {"eager": timing(0.012), "torch.compile": timing(0.009)},
                "aa_spread": 0.01,
            }
        ],
        "roofline_fraction": 0.62,
        **changes,
    }
    return Verdict.model_validate(data).to_json()


REJECTED = {
    **verdict(),
    "status": "rejected",
    "reason": "wrong_output",
    "detail": "off by 3e-2",
    "speedup": None,
    "speedup_ci95": None,
    "faster": None,
    "cases": [],
}


@pytest.fixture
def story() -> list[FakeEvent]:
    """The events of a short run, up to its end."""
    best = verdict(1.8, confirmed=True)
    outcome = {
        "schema": "kernelwright.run/1",
        "run_id": "20260101-000000-abcdef",
        "status": "improved",
        "problem": "softmax",
        "model": "builtin",
        "target": "cpu",
        "language": "cpp",
        "candidates": 2,
        "accepted": 1,
        "elapsed_s": 41.0,
        "tokens": 1200,
        "cost_usd": 0.0,
        "recalled": 1,
        "stored": 2,
        "best": {**best, "path": "/runs/x/best.py"},
        "run_dir": "/runs/x",
        "stop_reason": "max_candidates",
        "message": "",
        "candidates_to_best": 2,
    }
    settings = {"max_candidates": 12, "max_seconds": 75.0}
    return [
        FakeEvent(
            "run_started",
            {
                "run_id": "20260101-000000-abcdef",
                "problem": "softmax",
                "target": "cpu",
                "model": "builtin",
                "settings": settings,
            },
        ),
        FakeEvent("described", {"operators": ["aten.softmax"], "cpu": "a CPU", "threads": 2}, 3.0),
        FakeEvent("baselines_measured", {"baselines": {"eager": 0.012, "torch.compile": 0.009}}, 9.0),
        FakeEvent("recalled", {"attempts": [{}], "seeds": []}, 9.1),
        FakeEvent("round_started", {"round": 0, "slots": 2}, 9.2),
        FakeEvent("proposed", {"candidate": "aa" * 8, "tokens": 700, "cost_usd": 0.0}, 10.0),
        FakeEvent("proposed", {"candidate": "ab" * 8, "tokens": 500, "cost_usd": None}, 10.5),
        FakeEvent("judging", {"candidate": "aa" * 8}, 10.6),
        FakeEvent("notice", {"text": "timing 4/12"}, 12.0),
        FakeEvent(
            "judged",
            {
                "candidate": "aa" * 8,
                "strategy": "two passes",
                "verdict": REJECTED,
            },
            17.0,
        ),
        FakeEvent("judged", {"candidate": "ab" * 8, "strategy": "one pass", "verdict": verdict(1.85)}, 25.0),
        FakeEvent("reflected", {"candidate": "ab" * 8, "lesson": "near the roofline"}, 25.0),
        FakeEvent("champion", {"candidate": "ab" * 8, "speedup": 1.85, "speedup_ci95": [1.8, 1.9]}, 25.1),
        FakeEvent("confirming", {"candidate": "ab" * 8}, 25.2),
        FakeEvent("confirmed", {"candidate": "ab" * 8, "holds": True, "verdict": best}, 40.0),
        FakeEvent("run_finished", outcome, 41.0),
    ]
