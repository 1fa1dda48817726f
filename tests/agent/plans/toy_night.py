"""A plan of six operators that is killed at given events, while its disk fills up and its model goes out: a program.

    python toy_night.py FOLDER EVENT [EVENT ...]

Each EVENT is where one more process ends itself, as kill -9 would, counted from when it began; then one works to the
end. One JSON object on standard output says what the plan came to.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import toy_search as toy

from agent.errors import ModelOut
from agent.events import read_events
from agent.folder import MIN_FREE_BYTES
from agent.plans.folder import PlanFolder, create_plan_folder, list_plans
from agent.plans.reading import read_plan
from agent.plans.running import run_plan
from agent.run import Seams
from tools.fake_judge import FakeJudge

NAMES = "abcdef"
OUT_S, FULL_S = 120.0, 90.0
PLAN = """
[budget]
candidates = 15
seconds = 600
tokens = 100000
dollars = 20.0
[settings]
slots = 1
seed = 4
price_in = 1.0
price_out = 1.0
max_reply_tokens = 100
max_outage_seconds = 3600
"""
NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)


class Machine:
    """A clock that goes on over kills, as the hour does; the disk is full and the model out at set times of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.now = float(path.read_text()) if path.exists() else 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._path.write_text(str(self.now))

    def free(self, folder: Path) -> int:
        return 0 if 30 <= self.now < 30 + FULL_S else 10 * MIN_FREE_BYTES

    def is_out(self) -> bool:
        return 200 <= self.now < 200 + OUT_S

    def judge(self, folder: Path) -> FakeJudge:
        """Each judgement takes ten seconds, and is noted where no kill undoes it."""

        def follow(source: str) -> Any:
            self.sleep(10.0)
            with (folder / "judgements").open("a") as file:
                file.write(f"{toy.value_of(source)}\n")
            return toy.follow(source)

        return FakeJudge(follow, confirmations=toy.follow)

    def climb(self, task: Any, *, gate: Any, **rest: Any) -> Any:
        """As ``toy.climb``, by a model that is out now and then."""
        while self.is_out():
            gate.failed(ModelOut("503"), lambda: None)
        gate.answered()
        return toy.climb(task, gate=gate, **rest)


def work(folder: Path, kill_at: int) -> None:
    machine = Machine(folder / "clock")
    about = {"clock": lambda: machine.now, "sleep": machine.sleep, "wall": lambda: NOW.timestamp() + machine.now}
    seams = Seams(judge=machine.judge(folder), propose=machine.climb, model=object(), free=machine.free, **about)
    killer = toy.killer(kill_at)
    outcome = run_plan(plan_of(folder), told=[killer], subscribers=[killer], seams=seams)
    if not kill_at:
        (folder / "outcome").write_text(json.dumps(outcome.to_json()))


def plan_of(folder: Path) -> PlanFolder:
    return list_plans(folder / "home")[0]


def tell(folder: Path) -> dict[str, Any]:
    plan = plan_of(folder)
    logs = {name: read_events(plan.run(name) / "events.jsonl") for name in NAMES}
    own = read_events(plan.events)
    everything = [*own, *(event for log in logs.values() for event in log)]
    judged = [(name, event.data["candidate"]) for name, log in logs.items() for event in log if event.type == "judged"]
    return {
        "outcome": json.loads((folder / "outcome").read_text()),
        "twice": [key for key, times in Counter(judged).items() if times > 1],
        "judged": len(judged),
        "asked": len((folder / "judgements").read_text().split()),
        "gapless": all([e.seq for e in log] == list(range(len(log))) for log in (own, *logs.values())),
        "order": [event.data["entry"] for event in own if event.type == "entry_started"],
        "types": Counter(event.type for event in everything),
        "champions": {name: [e.data["candidate"] for e in log if e.type == "confirmed"] for name, log in logs.items()},
        "report": (plan.path / "report.md").read_text().replace(plan.path.name, "PLAN"),
    }


def main(folder: Path, kills: list[int]) -> None:
    folder.mkdir(parents=True)
    text = PLAN
    for place, name in enumerate(NAMES):
        # Sources that differ, because the runs of one home share a memory.
        (folder / f"{name}.py").write_text(f"{toy.PROBLEM.source}# {name}\n")
        text += f'[[operator]]\nproblem = "{name}.py"\npriority = {place % 3}\n'
    (folder / "night.toml").write_text(text)
    create_plan_folder(read_plan(folder / "night.toml", NOW, environ={}), folder / "home")
    for number in [*kills, 0]:
        killed = toy._in_child(lambda number=number: work(folder, number))
        assert killed == bool(number), f"at {number}: killed: {killed}"
    sys.stdout.write(json.dumps(tell(folder)) + "\n")


if __name__ == "__main__":
    # Imported before the first fork.
    import agent.graph  # noqa: F401
    import memory.sqlite  # noqa: F401

    main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]])
