"""A whole run through the real proposing layer, with a scripted chat model in place of a language model."""

from __future__ import annotations

import json
from pathlib import Path

from agent.events import read_events
from agent.run import Seams, optimize
from tools.fake_judge import FakeJudge


def source(value: int) -> str:
    return f"import torch\n\n\nclass ModelNew(torch.nn.Module):\n    value = {value}\n"


def replies(value: int) -> list[dict]:
    calls = [
        ("write_candidate", {"source": source(value)}),
        ("compile_candidate", {}),
        ("submit", {"strategy": f"value {value}"}),
    ]
    usage = {"input_tokens": 7, "output_tokens": 3}
    return [{"tool_calls": [{"name": name, "args": args}], "usage": usage} for name, args in calls]


def test_a_scripted_model_drives_a_run(toy, home: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    decline = [{"tool_calls": [{"name": "decline", "args": {"reason": "out of ideas"}}]}]
    entries = [
        {"round": 0, "slot": 0, "replies": replies(110)},
        {"round": 0, "slot": 1, "replies": replies(150)},
        {"round": 1, "slot": 0, "replies": replies(190)},
        {"replies": decline},
    ]
    script.write_text(json.dumps({"proposals": entries}))
    judge = FakeJudge(toy.follow)
    settings = toy.settings(home, model=f"scripted:{script}", max_candidates=12)
    outcome = optimize(toy.PROBLEM, settings, seams=Seams(judge=judge))

    assert (outcome.status, outcome.candidates, outcome.stop_reason) == ("improved", 3, "exhausted")
    assert outcome.best is not None
    assert outcome.best["speedup"] == 1.9
    assert Path(outcome.best["path"]).read_text() == source(190)
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    calls = [event.data for event in events if event.type == "model_call"]
    assert outcome.tokens == sum(call["tokens_in"] + call["tokens_out"] for call in calls) > 90
    strategies = [event.data["strategy"] for event in events if event.type == "judged"]
    assert strategies == ["value 110", "value 150", "value 190"]
    lines = (Path(outcome.run_dir) / "transcript.jsonl").read_text().splitlines()
    assert any("value = 190" in line for line in lines)
    assert outcome.cost_usd == 0.0
