"""Runs to report on: small, hostile, large, interrupted. Made of events alone, where no search would make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.artifacts import ArtifactStore

HOSTILE = "</pre></style><script src=//evil.test/x.js></script><img src=x onerror=alert(1)>\"'\u202e\x00 ```|&amp;"


def timing(median_s: float) -> dict[str, Any]:
    return {"median_s": median_s, "p5_s": median_s * 0.97, "p95_s": median_s * 1.06, "samples": 60}


def verdict(speedup: float | None, text: str = "", cases: tuple[str, ...] = ("small", "large")) -> dict[str, Any]:
    """As a judge would give it; None: rejected."""
    if speedup is None:
        why = {"reason": "wrong_output", "detail": f"off by 3e-2 {text}"}
        return {"status": "rejected", **why, "speedup": None, "speedup_ci95": None, "cases": []}
    made = [
        {
            "name": f"{name}{text}",
            "speedup": speedup,
            "speedup_ci95": [speedup * 0.98, speedup * 1.02],
            "candidate": timing(scale / speedup),
            "baselines": {"eager": timing(scale * 1.3), "torch.compile": timing(scale)},
            "aa_spread": 0.01,
            "floor_s": scale * 0.3,
            "bound": "memory",
        }
        for name, scale in zip(cases, (0.4e-3, 3.2e-3), strict=True)
    ]
    facts = {"worst": 2.1e-7, "norm": 8e-8}
    errors = {"error": facts, "eager_error": facts, "error_bound": {"worst": 8.4e-7, "norm": 3.2e-7}}
    return {
        "status": "accepted", "reason": None, "detail": "", "speedup": speedup,
        "speedup_ci95": [speedup * 0.98, speedup * 1.02], "worst_case_speedup": speedup * 0.97, "faster": True,
        "evidence": "measured", "target": "cpu", "isolation": "bubblewrap", "precision": "native", "oracle": "float64",
        "baselines": {"eager": 1.47e-3, "torch.compile": 1.13e-3}, "cases": made, "specialised": False,
        "roofline_fraction": min(1.0, 0.3 * speedup), "headroom": max(1.0, 3.3 / speedup), "at_floor": False,
        "stage_seconds": {"compile": 6.1, "check": 2.4, "time": 9.3}, **errors,
    }  # fmt: skip


class Story:
    """An event log and a store, written a fact at a time."""

    def __init__(self, folder: Path, text: str = "", policy: str = "greedy") -> None:
        folder.mkdir(parents=True)
        self.folder, self.text, self.at, self._lines = folder, text, 0.0, list[str]()
        self.store = ArtifactStore(folder / "artifacts")
        (folder / "run.json").write_text(json.dumps({"run_id": "r", "problem": "softmax", "settings": {}}))
        reference = self.store.put(f"import torch\n\n\nclass Model(torch.nn.Module):\n    pass  # {text}\n")
        about = {"run_id": "20260101-000000-abcdef", "target": "cpu", "language": "cpp", "version": "0.1.0"}
        names = {"problem": f"softmax{text}", "model": f"openai:coder{text}", "source": reference}
        self.tell("run_started", **about, **names, settings={"policy": policy})
        self.at = 12.0
        machine = {"cpu": f"a processor {text}", "threads": 2, "torch_version": "2.13.0"}
        self.tell("described", description=reference, operators=[f"aten.softmax{text}"], cases=[], **machine)
        self.at = 31.0
        self.tell("baselines_measured", baselines={"eager": 1.47e-3, "torch.compile": 1.13e-3}, cases={})

    def tell(self, type_: str, **data: Any) -> None:
        event = {"seq": len(self._lines), "time": "2026-01-01T00:00:00.000Z", "elapsed_s": round(self.at, 3)}
        self._lines.append(json.dumps({**event, "type": type_, "data": data}))

    def judge(self, number: int, parent: int | None, speedup: float | None, source: str | None = None) -> None:
        """One proposal and its judgement."""
        self.tell("round_started", round=number, slots=1, parents=[], kinds=[""])
        tokens, name = 900 + 13 * (number % 7), f"{number:016x}"
        self.at += 21.0
        place = {"round": number, "slot": 0}
        self.tell(
            "model_call", **place, model="m", tokens_in=tokens - 300, tokens_out=300, cost_usd=0.002, seconds=20.0
        )
        artifact = self.store.put(source or f"class ModelNew:\n    step = {number}\n    # {self.text}\n")
        found = {"findings": [{"kind": "memory", "severity": 0.6, "evidence": f"61 % of DRAM peak {self.text}"}]}
        found["findings"][0]["advice"] = f"keep the row in registers {self.text}"
        profile = self.store.put(json.dumps({"profiler": f"ncu{self.text}", "bound": "memory", **found}))
        about = {
            "parent": None if parent is None else f"{parent:016x}", "kind": "", "candidate": name, "language": "cpp",
            "source_artifact": artifact, "strategy": f"variant {number} {self.text}", "origin": "m", **place,
        }  # fmt: skip
        spent = {"tokens": tokens, "cost_usd": 0.002, "transcript": None, "refusal": None}
        self.tell("proposed", **about, **spent, profile=profile)
        self.at += 19.0
        self.tell("judged", **about, seconds=18.0, verdict=verdict(speedup, self.text))
        lesson = "two passes over the row cost the most" if number % 2 else f"vector loads help {self.text}"
        told = {"bottleneck": "memory", "evidence": "at 45 %", "lesson": lesson, "author": "rule"}
        self.tell("reflected", candidate=name, **told)

    def start(self, number: int) -> None:
        """A candidate that is the user's own kernel."""
        about = {"candidate": f"{number:016x}", "language": "cpp", "source_artifact": "", "origin": "user"}
        strategy = f"the user's own kernel (mine{self.text}.py)"
        self.tell("recalled", attempts=[], seeds=[{**about, "strategy": strategy, "kind": "start"}])

    def tune(self, number: int, winner: int) -> None:
        """Numbers that it leaves open are tried, and one setting is chosen."""
        name = f"{number:016x}"
        for at, (rows, speedup) in enumerate(((1, 1.41), (4, None), (8, 1.57))):
            call_s = None if speedup is None else 1e-3 / speedup
            reason = f"compile_error{self.text}" if speedup is None else None
            found = {"speedup": speedup, "call_s": call_s, "reason": reason, "detail": "", "seconds": 0.4}
            self.tell("setting_tried", candidate=name, number=at, values={"ROWS": rows}, **found)
        came_to = {"values": {"ROWS": 8}, "winner": f"{winner:016x}", "before": 1.41, "speedup": 1.57}
        self.tell("tuned", candidate=name, tried=3, failed=1, **came_to, source_artifact="", ended_by="tune_trials")

    def ask(self, number: int, kind: str, refused: str | None = None, **what: Any) -> None:
        """Somebody speaks to the run."""
        at = {"request": f"q{number}", "asked_at": "2026-01-01T00:00:01.000Z"}
        self.tell("steered", kind=kind, **at, refused=refused, **what)

    def lead(self, number: int, speedup: float) -> None:
        interval = [speedup * 0.98, speedup * 1.02]
        self.tell("champion", candidate=f"{number:016x}", speedup=speedup, speedup_ci95=interval, previous=None)

    def finish(self, number: int | None, speedup: float = 0.0, judged: int = 0) -> None:
        best = None
        if number is not None:
            self.tell("confirming", candidate=f"{number:016x}")
            self.at += 30.0
            best = {**verdict(speedup, self.text), "candidate": f"{number:016x}", "confirmed": True}
            self.tell("confirmed", candidate=best["candidate"], holds=True, verdict=best)
        status = "no_improvement" if best is None else "improved"
        names = {"run_id": "20260101-000000-abcdef", "problem": "softmax", "model": "m", "target": "cpu"}
        counts = {"candidates": judged, "accepted": judged, "recalled": 0, "stored": 0, "candidates_to_best": judged}
        paid = {"elapsed_s": self.at, "tokens": 900 * judged, "cost_usd": None}
        end = {"run_dir": "", "stop_reason": "max_candidates", "message": f"that is all{self.text}", "models": None}
        self.tell("run_finished", **names, language="cpp", status=status, best=best, **counts, **paid, **end)

    def write(self) -> Path:
        (self.folder / "events.jsonl").write_text("\n".join([*self._lines, ""]))
        return self.folder


def night(folder: Path, text: str = "") -> Path:
    """A night's work: drafts, dead ends, a champion that was built in steps, and one that was the same."""
    story = Story(folder, text)
    lines = ["class ModelNew:", "    def forward(self, x):", "        return self.kernel(x, rows=1)"]
    steps = (None, 1.08, 1.21, None, 1.19, 1.43, 1.38, None, 1.61, 1.66, 1.52, 1.83, None, 1.79, 1.92, 1.88)
    parents = (None, None, 1, 2, 2, 2, 5, 5, 5, 8, 8, 9, 11, 11, 11, 14)
    story.start(3)
    best = 0.0
    for number, (parent, speedup) in enumerate(zip(parents, steps, strict=True)):
        source = "\n".join([*lines, f"    unroll = {number}", "    vector = 8" if number > 5 else "    vector = 4", ""])
        story.judge(number, parent, speedup, None if text else source)
        if speedup is not None and speedup > best:
            best = speedup
            story.lead(number, speedup)
        if number == 5:
            story.tune(5, 8)
            story.ask(1, "hint", text=f"use shared memory {text}")
            story.ask(2, "limit", limit="max_candidates", value=16.0)
            story.ask(3, "pause", refused=f"it came too late {text}")
    same = {"candidate": "f" * 16, "same_as": f"{14:016x}", "parent": f"{11:016x}", "strategy": f"again {text}"}
    story.tell("recognised", round=90, slot=0, **same)
    refused = {"candidate": None, "refusal": f"I cannot {text}", "parent": None, "tokens": 5, "cost_usd": 0.0}
    story.tell("proposed", round=91, slot=0, **refused, transcript=None, profile=None, origin="m", strategy="")
    story.finish(14, 1.9, len(steps))
    return story.write()


def large(folder: Path, count: int) -> Path:
    """A chain with branches, as deep as it is long."""
    story = Story(folder, policy="evolution")
    for number in range(count):
        speedup = None if number % 5 == 0 else 1.0 + number / count
        story.judge(number, number - 1 if number else None, speedup)
    story.lead(count - 1, 1.0 + (count - 1) / count)
    story.finish(count - 1, 1.0 + (count - 1) / count, count)
    return story.write()
