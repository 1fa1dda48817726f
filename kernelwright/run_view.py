"""What a run looks like, folded from its events: pure, so that the live view, `show` and a test see the same.

Events come from ``agent.events``; unknown types and missing fields are passed over, because a log may have
been written by another version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.models.names import split_models
from kernelwright.wording import clock, seconds, speedup, steered_line, verdict_line

if TYPE_CHECKING:
    from agent.events import Event


@dataclass
class CandidateRow:
    """One judged candidate."""

    candidate: str
    verdict: dict[str, Any]
    strategy: str = ""
    lesson: str = ""
    origin: str = ""
    settings: list[dict[str, Any]] = field(default_factory=list)
    """Values of the numbers it leaves open that were tried, and how quick they were."""
    tuned: dict[str, Any] | None = None
    """What came of that."""


@dataclass
class RunView:
    """State of a run as somebody watching it sees it."""

    run_id: str = ""
    problem: str = ""
    target: str = ""
    model: str = ""
    models: int = 1
    """How many there are."""
    status: str = "running"
    doing: str = "starting"
    elapsed_s: float = 0.0
    max_candidates: int | None = None
    max_seconds: float | None = None
    tokens: int = 0
    cost_usd: float | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    best: str | None = None
    best_speedup: float | None = None
    best_ci95: list[float] | None = None
    rows: dict[str, CandidateRow] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None
    paused: dict[str, str] = field(default_factory=dict)
    """Models that are out, and why."""
    is_held: bool = False
    """By a person, who asked for a pause."""
    hints: list[str] = field(default_factory=list)
    """What a person told the model."""
    target_speedup: float | None = None
    """Where the search stops."""

    def apply(self, event: Event) -> str | None:
        """Fold one event in; the line that is worth printing for it, or None."""
        self.elapsed_s = max(self.elapsed_s, event.elapsed_s)
        handler = _HANDLERS.get(event.type)
        return handler(self, event.data) if handler else None

    @property
    def judged(self) -> int:
        """Candidates judged so far."""
        return len(self.rows)

    @property
    def is_waiting(self) -> bool:
        """It is held, or every model is out: the run's time stands still."""
        return self.is_held or (bool(self.paused) and len(self.paused) >= max(1, self.models))

    def summary(self, elapsed_s: float | None = None) -> str:
        """One line: what is being done, best so far, candidates, tokens, time left."""
        elapsed = self.elapsed_s if elapsed_s is None else elapsed_s
        count = f"{self.judged}/{self.max_candidates}" if self.max_candidates else str(self.judged)
        doing = f"paused: waiting for {', '.join(self.paused)}" if self.is_waiting and self.paused else self.doing
        parts = [doing, f"{count} judged", f"best {speedup(self.best_speedup, self.best_ci95)}"]
        if self.tokens:
            parts.append(f"{self.tokens:,} tokens")
        if self.max_seconds:
            parts.append(f"{clock(self.max_seconds - elapsed)} left")
        return " | ".join(parts)


def _run_started(view: RunView, data: dict[str, Any]) -> str:
    settings = data.get("settings") or {}
    view.run_id = data.get("run_id", "")
    view.problem, view.target = data.get("problem", ""), data.get("target", "")
    view.model = data.get("model", "")
    view.models = len(split_models(view.model))
    view.max_candidates = settings.get("max_candidates")
    view.max_seconds = settings.get("max_seconds")
    view.target_speedup = settings.get("target_speedup")
    view.doing = "running the reference once"
    return f"run {view.run_id}: {view.problem} on {view.target}, model {view.model}"


def _resumed(view: RunView, data: dict[str, Any]) -> str:
    view.status, view.doing, view.outcome = "running", "resuming", None
    view.run_id = str(data.get("run_id") or view.run_id)
    view.paused, view.is_held = {}, False
    return f"resuming {data.get('run_id') or view.run_id}: {view.judged} judged already"


def _described(view: RunView, data: dict[str, Any]) -> str:
    view.doing = "measuring the baselines"
    operators = data.get("operators") or []
    shown = ", ".join(operators[:6]) + (", ..." if len(operators) > 6 else "")
    where = f"{data.get('cpu') or 'unknown CPU'}, {data.get('threads')} threads"
    return f"reference: {shown or 'no operators seen'}; {where}"


def _baselines_measured(view: RunView, data: dict[str, Any]) -> str:
    view.baselines = dict(data.get("baselines") or {})
    ordered = sorted(view.baselines.items(), key=lambda item: item[1])
    return "baselines: " + ", ".join(f"{name} {seconds(value)}" for name, value in ordered)


def _at_floor(view: RunView, data: dict[str, Any]) -> str:
    view.doing = "nothing is left to win"
    return str(data.get("message") or view.doing)


def _recalled(view: RunView, data: dict[str, Any]) -> str | None:
    attempts = data.get("attempts") or []
    if not attempts:
        return None
    seeds = data.get("seeds") or []
    return f"memory: {len(attempts)} related attempts, {len(seeds)} of them to be judged here first"


def _round_started(view: RunView, data: dict[str, Any]) -> None:
    view.doing = f"round {data.get('round', 0) + 1}: writing candidates"


def _proposed(view: RunView, data: dict[str, Any]) -> str | None:
    view.tokens += data.get("tokens") or 0
    if data.get("cost_usd") is not None:
        view.cost_usd = (view.cost_usd or 0.0) + data["cost_usd"]
    return f"no candidate: {data['refusal']}" if data.get("refusal") else None


def _judging(view: RunView, data: dict[str, Any]) -> None:
    view.doing = f"judging {str(data.get('candidate', ''))[:8]}"


def _judged(view: RunView, data: dict[str, Any]) -> str:
    row = CandidateRow(data["candidate"], data["verdict"], data.get("strategy") or "", origin=data.get("origin") or "")
    view.rows[row.candidate] = row
    view.doing = "choosing what comes next"
    what = f": {row.strategy}" if row.strategy else ""
    return f"{row.candidate[:8]} {verdict_line(row.verdict)}{what}"


def _recognised(view: RunView, data: dict[str, Any]) -> str:
    return f"{str(data.get('candidate', ''))[:8]} is the same program as {str(data.get('same_as', ''))[:8]}: not judged"


def _setting_tried(view: RunView, data: dict[str, Any]) -> None:
    row = view.rows.get(data.get("candidate", ""))
    if row is not None:
        row.settings.append(data)


def _tuned(view: RunView, data: dict[str, Any]) -> str | None:
    from agent.tuning.telling import tuned_text

    row = view.rows.get(data.get("candidate", ""))
    if row is None:
        return None
    row.tuned = data
    return f"{row.candidate[:8]} {tuned_text(data)}"


def _reflected(view: RunView, data: dict[str, Any]) -> None:
    row = view.rows.get(data.get("candidate", ""))
    if row is not None:
        row.lesson = data.get("lesson") or ""


def _champion(view: RunView, data: dict[str, Any]) -> str:
    view.best, view.best_speedup = data.get("candidate"), data.get("speedup")
    view.best_ci95 = data.get("speedup_ci95")
    return f"best so far: {str(view.best)[:8]}, {speedup(view.best_speedup, view.best_ci95)}"


def _confirming(view: RunView, data: dict[str, Any]) -> None:
    view.doing = f"confirming {str(data.get('candidate', ''))[:8]} in fresh processes"


def _confirmed(view: RunView, data: dict[str, Any]) -> str:
    verdict = data.get("verdict") or {}
    if data.get("holds"):
        view.best, view.best_speedup = data.get("candidate"), verdict.get("speedup")
        view.best_ci95 = verdict.get("speedup_ci95")
        return f"confirmed: {speedup(view.best_speedup, view.best_ci95)}"
    return f"not confirmed: {verdict_line(verdict)}" if verdict else "not confirmed"


def _run_finished(view: RunView, data: dict[str, Any]) -> None:
    view.outcome = data.get("outcome") or data
    view.status = view.outcome.get("status", "finished")
    view.doing = "finished"


def _interrupted(view: RunView, data: dict[str, Any]) -> str:
    view.status, view.doing = "interrupted", "interrupted"
    return data.get("message") or "interrupted: the state is kept"


def _notice(view: RunView, data: dict[str, Any]) -> None:
    view.doing = str(data.get("text") or view.doing)


def _warning(view: RunView, data: dict[str, Any]) -> str:
    return f"warning: {data.get('text')}"


def _model_paused(view: RunView, data: dict[str, Any]) -> str:
    model, wait = str(data.get("model", "")), data.get("retry_in_s")
    view.paused[model] = str(data.get("reason") or "")
    again = "it is left out from now on" if wait is None else f"trying again in {wait:.0f} s"
    return f"paused: {model}: {view.paused[model]}; {again}"


def _model_resumed(view: RunView, data: dict[str, Any]) -> str:
    view.paused.pop(str(data.get("model", "")), None)
    return f"{data.get('model')} answers again after {clock(data.get('seconds') or 0.0)}"


def _waiting(view: RunView, data: dict[str, Any]) -> str:
    view.doing = f"waits {data.get('text')}"
    return view.doing


def _waited(view: RunView, data: dict[str, Any]) -> str:
    what = {"device": "its turn to measure"}.get(str(data.get("what")), f"the {data.get('what')}")
    view.doing = f"goes on after {clock(data.get('seconds') or 0.0)} of waiting for {what}"
    return view.doing


def _held(view: RunView, data: dict[str, Any]) -> str:
    view.is_held, view.doing = True, "held: waiting to be told to go on"
    return view.doing


def _steered(view: RunView, data: dict[str, Any]) -> str:
    kind = str(data.get("kind", ""))
    if data.get("refused"):
        return f"asked: {kind.replace('_', ' ')}; not done: {data['refused']}"
    if kind in ("go_on", "finish"):
        view.is_held, view.doing = False, "going on" if kind == "go_on" else "finishing"
    elif kind == "pause":
        view.doing = "pausing after what it is doing"
    elif kind == "hint":
        view.hints.append(str(data.get("text", "")))
    elif kind == "target":
        view.target_speedup = data.get("speedup")
    elif kind == "limit" and data.get("limit") in ("max_candidates", "max_seconds"):
        value = data.get("value")
        setattr(view, data["limit"], int(value or 0) if data["limit"] == "max_candidates" else value)
    return f"asked: {steered_line(data)}"


def _model_call(view: RunView, data: dict[str, Any]) -> None:
    if not view.doing.startswith("round"):
        view.doing = "waiting for the model"


_HANDLERS = {
    "run_started": _run_started,
    "resumed": _resumed,
    "described": _described,
    "baselines_measured": _baselines_measured,
    "at_floor": _at_floor,
    "recalled": _recalled,
    "round_started": _round_started,
    "proposed": _proposed,
    "judging": _judging,
    "judged": _judged,
    "recognised": _recognised,
    "setting_tried": _setting_tried,
    "tuned": _tuned,
    "reflected": _reflected,
    "champion": _champion,
    "confirming": _confirming,
    "confirmed": _confirmed,
    "run_finished": _run_finished,
    "interrupted": _interrupted,
    "notice": _notice,
    "warning": _warning,
    "model_call": _model_call,
    "model_paused": _model_paused,
    "model_resumed": _model_resumed,
    "waiting": _waiting,
    "waited": _waited,
    "steered": _steered,
    "held": _held,
}
