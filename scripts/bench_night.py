"""A night in short: a plan of six operators that is disturbed in every way at once, and has to end as if it was not.

Usage: python scripts/bench_night.py [--outage 120] [--full 45] [--seed 1] [--keep DIR]

Starts ``kernelwright run PLAN --detach`` in a home of its own (a small tmpfs where this is root, so that its disk can
be filled), kills the worker with SIGKILL three times at random points, fills the disk once, and lets the one server of
a language model, which it plays itself, answer 503 for a while. Prints a Markdown page; 1 if something was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.events import Event, read_events
from agent.folder import package_version
from agent.ledger import Ledger
from agent.plans.folder import PlanFolder, list_plans
from agent.plans.outcome import PlanOutcome, read_outcome

ROOT = Path(__file__).resolve().parents[1]
TMPFS = "700m"
USAGE = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
PLAN = """
name = "night"
deadline = "100min"

[budget]
seconds = "80min"
tokens = 2_000_000
dollars = 0.50
candidates = 9

[settings]
slots = 1
blocks = 4
check_seeds = 1
close_call_s = 0
tune_trials = 0
stop_at_floor = false

[[operator]]
problem = "softmax_scaled.py"

[[operator]]
problem = "gelu_bias.py"
budget = {{ candidates = 1 }}

[[operator]]
problem = "rms_norm_gated.py"
name = "rms_norm_by_a_server"
priority = 5
language = "python"
model = "openai:played"
settings = {{ base_url = "{url}", streaming = false, price_in = 1.0, price_out = 5.0, max_reply_tokens = 2000 }}
budget = {{ candidates = 2, dollars = 0.40 }}

[[operator]]
problem = "row_mean_square.py"
priority = 9

[[operator]]
problem = "huber.py"
budget = {{ candidates = 1, seconds = "10min" }}

[[operator]]
problem = "clamp_residual.py"
"""
PROBLEM = """import torch


class Model(torch.nn.Module):
    def forward(self, x, y):
        return {}


def get_inputs():
    return [torch.randn(512, 1024), torch.randn(512, 1024)]


def get_init_inputs():
    return []
"""
PROBLEMS = {
    "softmax_scaled": "torch.softmax(x * 0.5 + y, dim=-1)",
    "gelu_bias": "torch.nn.functional.gelu(x + y) * 0.7",
    "rms_norm_gated": "x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * torch.sigmoid(y)",
    "row_mean_square": "((x - y) ** 2).mean(-1)",
    "huber": "torch.where((x - y).abs() < 1.0, 0.5 * (x - y) ** 2, (x - y).abs() - 0.5)",
    "clamp_residual": "torch.clamp(x * 1.5 - 0.3, -1.0, 1.0) + y",
}
"""Small ones: what is shown is what becomes of the plan, not how fast kernels get."""
KERNEL = """import torch
from torch.nn import functional as F


class ModelNew(torch.nn.Module):
    def forward(self, x, y):
        return {}
"""
KERNELS = (
    KERNEL.format("F.rms_norm(x, (x.shape[-1],), eps=1e-6).mul_(torch.sigmoid(y))"),
    KERNEL.format("torch.sigmoid(y).mul_(F.rms_norm(x, (x.shape[-1],), eps=1e-6))"),
)


class Server:
    """An OpenAI-compatible server: one kernel a conversation; it is out for a while once it has answered."""

    def __init__(self, outage_s: float) -> None:
        self.outage_s, self.out_until, self.answered, self.refused, self.kernels = outage_s, 0.0, 0, 0, 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = owner.answer(body)
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Writes in the first turn of a conversation, submits in the second."""
        if self.answered == 1 and not self.out_until:
            self.out_until = time.monotonic() + self.outage_s
        if time.monotonic() < self.out_until:
            self.refused += 1
            return 503, {"error": {"message": "out for a while", "type": "test", "code": None}}
        self.answered += 1
        if any(message["role"] == "tool" for message in body["messages"]):
            calls = [("compile_candidate", {}), ("submit", {"strategy": "the library's own normalisation"})]
        else:
            calls = [("write_candidate", {"source": KERNELS[self.kernels % len(KERNELS)]})]
            self.kernels += 1
        told = [
            {"id": f"id_{at}", "type": "function", "function": {"name": name, "arguments": json.dumps(what)}}
            for at, (name, what) in enumerate(calls)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": told}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        about = {"id": "chat", "object": "chat.completion", "created": 1, "model": "played"}
        return 200, {**about, "choices": [choice], "usage": USAGE}


@dataclass
class Night:
    """The plan, and what was done to it."""

    home: Path
    server: Server
    random: random.Random
    full_s: float
    leader: int = 0
    kills: list[str] = field(default_factory=list)
    """What the log said last before each."""
    filled_s: float = 0.0
    filled_at: str = ""

    @property
    def plan(self) -> PlanFolder:
        """The one there is."""
        return list_plans(self.home)[0]

    def logs(self) -> list[Path]:
        """Of the plan and of its runs."""
        return [self.plan.events, *sorted(self.plan.path.glob("runs/*/events.jsonl"))]

    def lines(self) -> int:
        """How far it has come."""
        return sum(path.read_bytes().count(b"\n") for path in self.logs() if path.is_file())

    def last(self) -> str:
        """The newest event."""
        newest = max((event for path in self.logs() for event in read_events(path)[-1:]), key=lambda event: event.time)
        return f"{newest.type} {newest.data.get('entry') or newest.data.get('problem') or ''}".strip()

    def worker(self) -> int | None:
        """The process that does the work; None while it is being begun anew."""
        try:
            children = Path(f"/proc/{self.leader}/task/{self.leader}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def kill(self) -> None:
        """As kill -9 does."""
        while (worker := self.worker()) is None:
            time.sleep(0.1)
        self.kills.append(self.last())
        os.kill(worker, signal.SIGKILL)
        say(f"killed process {worker}, after {self.kills[-1]}")

    def fill(self) -> None:
        """Leave no space at all for a while."""
        self.filled_at, filler = self.last(), self.home / "filler"
        say(f"filled the disk, after {self.filled_at}")
        began = time.monotonic()
        try:
            with filler.open("wb", buffering=0) as file:
                while time.monotonic() - began < self.full_s:
                    try:
                        file.write(b"x" * (1 << 20))
                    except OSError:
                        time.sleep(0.2)  # and what is given back meanwhile is taken too
        finally:
            filler.unlink()
        self.filled_s = time.monotonic() - began
        say("freed the disk")

    def disturb(self) -> None:
        """Everything, at random points of the work."""
        marks = sorted(self.random.sample(range(12, 150), 4))
        deeds = [self.kill, self.kill, self.kill, self.fill]
        self.random.shuffle(deeds)
        for mark, deed in zip(marks, deeds, strict=True):
            while self.lines() < mark and not self.plan.is_complete():
                time.sleep(self.random.uniform(0.05, 0.5))
            deed()

    def wait(self, limit_s: float) -> None:
        """Until it is complete."""
        until = time.monotonic() + limit_s
        while not self.plan.is_complete():
            if time.monotonic() > until:
                raise SystemExit(f"the plan is not complete after {limit_s:.0f} s: see {self.plan.path}")
            time.sleep(1.0)


def say(text: str) -> None:
    """Progress."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


@contextmanager
def small_disk(keep: Path | None) -> Iterator[Path]:
    """A folder on a disk of its own that is easily filled."""
    folder = keep or Path(tempfile.mkdtemp(prefix="kernelwright-night-"))
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        if keep is None:
            subprocess.run(["umount", "-l", str(folder)], check=True)
            folder.rmdir()


def judged_twice(folder: PlanFolder) -> list[str]:
    """Candidates that a log says were judged, or confirmed, more than once."""
    found = []
    for log in folder.path.glob("runs/*/events.jsonl"):
        done = [(event.type, event.data["candidate"]) for event in read_events(log) if _is_judgement(event)]
        found += [f"{log.parent.name}: {what}" for what, times in Counter(done).items() if times > 1]
    return found


def _is_judgement(event: Event) -> bool:
    if event.type not in ("judged", "confirmed"):
        return False
    return bool(event.data["verdict"]["status"] != "infrastructure_error")


def over_budget(outcome: PlanOutcome, minute_s: float = 60.0) -> list[str]:
    """Bounds that did not hold: of the plan, and of each run; seconds to the minute, everything else exactly."""
    spent = {
        "plan": (outcome.budget, outcome.elapsed_s, outcome.tokens, outcome.cost_usd, outcome.candidates),
        **{row.name: (row.limits, row.elapsed_s, row.tokens, row.cost_usd, row.candidates) for row in outcome.entries},
    }
    found = []
    for name, (limits, *used) in spent.items():
        for kind, value, slack in zip(
            ("seconds", "tokens", "dollars", "candidates"), used, (minute_s, 0, 0, 0), strict=True
        ):
            bound = limits.get(kind)
            if bound is not None and (value is None or value > bound + slack):
                found.append(f"{name}: {value} {kind} of {bound}")
    return found


def checks(night: Night) -> dict[str, tuple[bool, str]]:
    """What must hold, and what was seen."""
    folder, outcome = night.plan, read_outcome(night.plan)
    logs = {path.parent.name: read_events(path) for path in night.logs()}
    plan_log = logs[folder.path.name]
    everything = [event for events in logs.values() for event in events]
    gaps = [name for name, log in logs.items() if [event.seq for event in log] != list(range(len(log)))]
    begun = Counter(event.data["entry"] for event in plan_log if event.type == "entry_started")
    ended = {row.name: row.status for row in outcome.entries}
    outage_s = max((event.data["seconds"] for event in everything if event.type == "model_resumed"), default=0.0)
    waited = [event.data["seconds"] for event in everything if event.type == "waited" and event.data["what"] == "disk"]
    twice, over = judged_twice(folder), over_budget(outcome)
    judged = sum(len(Ledger(log).all("judged")) for log in logs.values())
    restarts = sum(event.type == "plan_resumed" for event in plan_log)
    page = (folder.path / "report.html").read_text()
    return {
        "complete, every operator": (
            outcome.status == "complete" and {*ended.values()} <= {"improved", "no_improvement"},
            ", ".join(f"{name} {status.replace('_', ' ')}" for name, status in ended.items()),
        ),
        "killed with SIGKILL three times, gone on with each time": (
            restarts == len(night.kills) == 3,
            "; ".join(f"after {what}" for what in night.kills),
        ),
        "the disk filled once": (
            bool(waited),
            f"{night.filled_s:.0f} s, from {night.filled_at} on; waits in the logs: {waited} s",
        ),
        "the server out": (
            outage_s >= night.server.outage_s * 0.9,
            f"503 for {night.server.outage_s:.0f} s, {night.server.refused} times; the run paused {outage_s:.0f} s",
        ),
        "budgets kept": (not over, "; ".join(over) or _spent(outcome)),
        "nothing judged twice": (not twice, "; ".join(twice) or f"{judged} candidates, each once"),
        "no run begun twice": (max(begun.values()) == 1, f"{len(begun)} runs"),
        "no log torn": (not gaps, f"{len(everything)} events in {len(logs)} logs"),
        "the report asks for nothing outside": (
            "http" not in page.replace("http-equiv", "") and all(row.name in page for row in outcome.entries),
            f"{len(page) >> 10} KiB",
        ),
    }


def _spent(outcome: PlanOutcome) -> str:
    budget = outcome.budget
    return (
        f"{outcome.elapsed_s:.0f} of {budget['seconds']:.0f} s, {outcome.tokens} of {budget['tokens']} tokens, "
        f"${outcome.cost_usd or 0:.4f} of ${budget['dollars']}, "
        f"{outcome.candidates} of {budget['candidates']} candidates; and each operator its own"
    )


def to_page(night: Night, found: dict[str, tuple[bool, str]], wall_s: float, seed: int) -> str:
    """For docs/results."""
    outcome = read_outcome(night.plan)
    lines = [f"# A plan that is disturbed, {datetime.now(UTC):%Y-%m-%d}", ""]
    lines += [
        f"`python scripts/bench_night.py --seed {seed}`: {len(outcome.entries)} small operators, CPU ({_processor()}, "
        f"{os.cpu_count()} cores), version {package_version()}, {wall_s / 60:.0f} minutes. The home is a tmpfs of "
        f"{TMPFS}; the language model is played by a server of the script.",
        *("", "| what must hold | holds | seen |", "|---|---|---|"),
    ]
    lines += [f"| {what} | {'yes' if holds else '**no**'} | {seen} |" for what, (holds, seen) in found.items()]
    lines += ["", "What the plan's own report says of its operators:", ""]
    report = (night.plan.path / "report.md").read_text().splitlines()
    return "\n".join(lines + [line for line in report if line.startswith("|")]) + "\n"


def _processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "unknown"
    )


def main() -> int:
    """Run the night, check it, print the page; 1 if something does not hold."""
    parser = argparse.ArgumentParser(description="Disturb a plan of six operators, and see what is lost.")
    parser.add_argument("--outage", type=float, default=120.0, metavar="S", help="seconds the server is out")
    parser.add_argument("--full", type=float, default=45.0, metavar="S", help="seconds the disk is full")
    parser.add_argument("--seed", type=int, default=1, help="of when what is done")
    parser.add_argument("--limit", type=float, default=5400.0, metavar="S", help="seconds after which it has failed")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="mount the home there, and leave it mounted")
    options = parser.parse_args()
    if os.getuid() != 0:
        parser.error("a disk that can be filled is mounted: run this as root, in a machine or container of its own")
    began = time.monotonic()
    with small_disk(options.keep) as home:
        server = Server(options.outage)
        plan = home / "night.toml"
        plan.write_text(PLAN.format(url=server.url))
        for name, text in PROBLEMS.items():
            (home / f"{name}.py").write_text(PROBLEM.format(text))
        known = {"KERNELWRIGHT_HOME": str(home), "KERNELWRIGHT_API_KEY": "none", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "kernelwright", "run", str(plan), "--detach", "--json"]
        started = subprocess.run(command, env={**os.environ, **known}, check=True, capture_output=True, text=True)
        lot = random.Random(options.seed)  # noqa: S311 - when what is done, no secret
        night = Night(home, server, lot, options.full, json.loads(started.stdout)["pid"])
        say(f"plan {night.plan.path.name}")
        while not night.plan.events.is_file():
            time.sleep(0.1)
        night.disturb()
        night.wait(options.limit)
        found = checks(night)
        sys.stdout.write(to_page(night, found, time.monotonic() - began, options.seed))
    return 0 if all(holds for holds, _ in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
