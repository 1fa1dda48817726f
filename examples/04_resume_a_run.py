"""Kill a run the hard way, in the middle, and go on with it: nothing is judged twice, nothing is lost.

python examples/04_resume_a_run.py
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import kernelwright


def judged(run: Path) -> Counter:
    """How often each candidate was judged, according to the event log."""
    events = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    return Counter(event["data"]["candidate"] for event in events if event["type"] == "judged")


def run_and_kill(problem: Path, run: Path, home: Path) -> None:
    """Start `kernelwright optimize` and kill it (SIGKILL) as soon as it tells of its first verdict."""
    words = ["optimize", problem, "--out", run, "--max-candidates", "3", "--max-seconds", "600"]
    child = subprocess.Popen(
        [sys.executable, "-m", "kernelwright", *map(str, words)],
        env={**os.environ, "KERNELWRIGHT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in child.stderr:
        if " accepted, " in line or " rejected: " in line:
            child.kill()
            break
    child.stderr.close()
    print(f"killed: exit code {child.wait()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, run = Path(folder) / "home", Path(folder) / "run"
        run_and_kill(Path(__file__).parent / "problems" / "rms_norm.py", run, home)
        print(f"judged before the kill: {len(judged(run))}")
        outcome = kernelwright.resume(run)
        print(f"{outcome.status}: {outcome.candidates} candidates, each judged {set(judged(run).values())} time")


if __name__ == "__main__":
    main()
