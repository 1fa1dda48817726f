"""``make bench-aa``: pairs without and with a true difference, timed by the judge's protocol; prints a table.

Usage: python scripts/bench_aa.py [--minutes 30] [--close-call 180]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from evals.repeatability import as_lines, plan_of_all, run_pairs
from sandbox.base import Isolation
from sandbox.opening import open_sandbox


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure false and missed differences.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--close-call", type=float, default=180.0, help="seconds for further sittings of a pair")
    parser.add_argument("--isolation", choices=list(Isolation), default=Isolation.BUBBLEWRAP)
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    tallies = []
    with closing(open_sandbox(Isolation(options.isolation))) as sandbox, tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o755)
        for kind, gain, seconds in plan_of_all(60 * options.minutes):
            notice = lambda text: sys.stderr.write(text + "\n")  # noqa: E731 - one line is enough
            tallies.append(run_pairs(sandbox, kind, gain, seconds, threads, Path(work), options.close_call, notice))
    sys.stdout.write(as_lines(tallies) + "\n")


main()
