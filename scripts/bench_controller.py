"""What the controller itself costs: whole runs with a scripted model and a judge that takes no time; prints JSON.

Usage: python scripts/bench_controller.py [--nodes 2000] [--policies greedy mcts evolution] [--open 10000]

``candidate_ms`` is the wall time of a candidate and ``candidate_cpu_ms`` the processor time, over the first and the
last tenth of a run, with everything that a run does but the model's and the judge's own work: selection, prompts, the
conversation with its tools, events, checkpoints, artifacts, the memory of experiences.

``opening_ms`` is what reading a log and building the tree of it takes, and ``parts`` says of what; ``bars`` sets the
figures beside what they may be, with the load of the machine, on which wall times depend.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from agent.events import Event, EventLog, read_events
from agent.ledger import Ledger
from agent.policies.phases import Phases, plan_round
from agent.policies.registry import POLICIES, make_policy
from agent.run import Seams, optimize
from agent.scripted import ScriptedChatModel
from agent.settings import AgentSettings
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem
from tools.verdict import Verdict

CANDIDATE_MS, PEAK_RSS_MB, OPENING_MS = 50, 500, 1000
"""What a candidate may cost and a run may take at 2,000 of them, and what opening 10,000 may take, as wall time."""
PROBLEM = Problem("bench", "import torch\n\n\nclass Model(torch.nn.Module): ...\n\n\ndef get_inputs(): ...\n")
BODY = "".join(f"    def step_{line}(self, x):\n        return x * {line} + self.value\n" for line in range(60))


def source_of(number: int) -> str:
    """A candidate of a realistic length."""
    return f"import torch\n\n\nclass ModelNew(torch.nn.Module):\n    value = {number}\n{BODY}"


def script(messages: list[BaseMessage]) -> AIMessage:
    """Write, compile, submit: each proposal another program."""
    task = messages[1].text
    place = dict(part.split("=", 1) for part in task.splitlines()[1].split())
    step = sum(isinstance(message, AIMessage) for message in messages)
    number = int(place["round"]) * 64 + int(place["slot"])
    call = [
        ("write_candidate", {"source": source_of(number)}),
        ("compile_candidate", {}),
        ("submit", {"strategy": f"number {number}: rows in tiles of {number % 7}"}),
    ][step]
    return AIMessage(content="", tool_calls=[ToolCall(name=call[0], args=call[1], id=f"c{step}", type="tool_call")])


def verdict(source: str) -> Verdict:
    """Slowly better, with rejections in between."""
    value = int(source.split("value = ", 1)[1].split("\n", 1)[0])
    noise = (value * 2654435761) % 1000 / 1000
    return rejected("wrong_output", "off by one") if value % 5 == 4 else accepted(1.0 + noise + value / 100_000)


def run(policy: str, nodes: int, home: Path, extra: dict[str, Any]) -> dict[str, Any]:
    """One run to its end; what a candidate cost at its beginning and at its end."""
    marks: list[tuple[float, float]] = []

    def mark(event: Event) -> None:
        if event.type == "judged":
            marks.append((time.perf_counter(), time.process_time()))

    settings = AgentSettings(
        home=home, policy=policy, max_candidates=nodes, stall=10 * nodes, max_seconds=1e6, language="python", **extra
    )
    seams = Seams(judge=FakeJudge(verdict), model=ScriptedChatModel(script=script))
    began = time.perf_counter()
    outcome = optimize(PROBLEM, settings, subscribers=[mark], seams=seams)
    whole = time.perf_counter() - began
    tenth = max(nodes // 10, 2)
    folder = Path(outcome.run_dir)
    return {
        "policy": policy,
        "nodes": outcome.candidates,
        "seconds": round(whole, 2),
        "first_tenth": _per_candidate(marks[:tenth]),
        "last_tenth": _per_candidate(marks[-tenth:]),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "folder_mb": {path.name: _size_mb(path) for path in sorted(folder.iterdir()) if _size_mb(path) >= 0.1},
        "opening_ms": opening_ms(folder / "events.jsonl"),
    }


def _per_candidate(marks: list[tuple[float, float]]) -> dict[str, float]:
    (wall, cpu), (wall_end, cpu_end) = marks[0], marks[-1]
    count = len(marks) - 1
    return {
        "candidate_ms": round(1000 * (wall_end - wall) / count, 2),
        "candidate_cpu_ms": round(1000 * (cpu_end - cpu) / count, 2),
    }


def _size_mb(path: Path) -> float:
    paths = path.rglob("*") if path.is_dir() else [path]
    return round(sum(one.stat().st_size for one in paths if one.is_file()) / 1e6, 1)


def opening_ms(log: Path) -> dict[str, float]:
    """Reading a log and building the tree of it; the quickest of five, as others may use the machine."""

    def once() -> None:
        opened = EventLog(log)
        assert Ledger(opened.history).tree()
        opened.close()

    return _quickest(once)


def opening_parts(log: Path) -> dict[str, dict[str, float]]:
    """The same by its parts, each with what came before it there already."""
    opened = EventLog(log)
    ledger = Ledger(opened.history)
    parts = {
        "reading": _quickest(lambda: read_events(log)),
        "ledger": _quickest(lambda: Ledger(opened.history)),
        "tree": _quickest(ledger.tree, again=1),  # which is kept once it was asked for
    }
    opened.close()
    return parts


def _quickest(work: Callable[[], object], again: int = 5) -> dict[str, float]:
    """The least wall and processor time of so many."""
    walls, cpus = [], []
    for _ in range(again):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall_ms": round(1000 * min(walls), 1),
        "worst_wall_ms": round(1000 * max(walls), 1),
        "cpu_ms": round(1000 * min(cpus), 1),
    }


def large_log(log: Path, grown: Path, nodes: int) -> None:
    """A log of so many candidates, by repeating the events of a smaller run under other names."""
    events = read_events(log)
    kept = [event for event in events if event.type not in ("run_finished", "confirming", "confirmed")]
    rounds = 1 + max(event.data.get("round", 0) for event in kept)
    judged = sum(event.type == "judged" for event in kept)
    lines, seq = [], 0
    for copy in range(-(-nodes // judged)):
        for event in kept:
            if copy and event.type in ("run_started", "described", "baselines_measured", "recalled"):
                continue
            data = dict(event.data)
            if "round" in data:
                data["round"] += copy * rounds
            for name in ("candidate", "parent"):
                if copy and data.get(name):
                    data[name] = f"{copy:04x}{data[name][4:]}"
            lines.append(json.dumps({**event.to_json(), "seq": seq, "data": data}))
            seq += 1
    grown.write_text("\n".join(lines) + "\n", encoding="utf-8")


def select_ms(log: Path) -> dict[str, dict[str, float]]:
    """What the choice of one round takes in that tree."""
    tree = Ledger(read_events(log)).tree()
    phases = Phases(restart_after=50)
    found = {}
    for name in sorted(POLICIES):
        plan = partial(plan_round, make_policy(name), phases, tree, slots=2, round_=9999, seed=0)
        found[name] = _quickest(plan)
    return found


def bars(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was seen beside what it may be, in wall time and megabytes, and the machine's load after it all."""
    seen = {
        "candidate_ms": (max(run["last_tenth"]["candidate_ms"] for run in result["runs"]), CANDIDATE_MS),
        "peak_rss_mb": (max(run["peak_rss_mb"] for run in result["runs"]), PEAK_RSS_MB),
        "opening_wall_ms": (result["large_log"]["opening_ms"]["wall_ms"], OPENING_MS),
    }
    rows = {name: {"seen": worst, "at_most": bar, "met": worst < bar} for name, (worst, bar) in seen.items()}
    return {**rows, "load": {"averages": [round(value, 2) for value in os.getloadavg()]}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what the controller costs.")
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--policies", nargs="+", default=sorted(POLICIES))
    parser.add_argument("--open", type=int, default=10_000, dest="opened")
    parser.add_argument("--restart-after", type=int, default=None)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}",
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as work:
        for policy in options.policies:
            home = Path(work) / policy
            result["runs"].append(run(policy, options.nodes, home, {"restart_after": options.restart_after}))
            sys.stderr.write(json.dumps(result["runs"][-1]) + "\n")
        (first,) = (Path(work) / options.policies[0] / "runs").iterdir()
        grown = Path(work) / "grown.jsonl"
        large_log(first / "events.jsonl", grown, options.opened)
        result["large_log"] = {
            "nodes": len(Ledger(read_events(grown)).all("judged")),
            "mb": round(grown.stat().st_size / 1e6, 1),
            "opening_ms": opening_ms(grown),
            "parts": opening_parts(grown),
            "select_ms": select_ms(grown),
        }
    result["bars"] = bars(result)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
