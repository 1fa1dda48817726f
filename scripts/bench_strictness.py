"""``make bench-strictness``: what a judgement costs beside the usual lax one, stage by stage.

Usage: python scripts/bench_strictness.py [--only 'softmax_*']
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

from evals.integrity.corpus import load_corpus
from evals.strictness import as_lines, measure_costs
from sandbox.base import Isolation
from sandbox.opening import open_sandbox
from tools.problem import JudgeSettings

USUAL = ("softmax_two_pass", "matmul_in_double", "layer_norm_native", "transpose_add_tiles")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what strictness costs.")
    parser.add_argument("--only", metavar="PATTERN", help="honest programs of such names; default four of them")
    parser.add_argument("--isolation", choices=list(Isolation), default=Isolation.BUBBLEWRAP)
    options = parser.parse_args()
    honest = [program for program in load_corpus() if program.is_honest]
    wanted = [item for item in honest if (fnmatch(item.name, options.only) if options.only else item.name in USUAL)]
    settings = JudgeSettings(close_call_s=0)
    with closing(open_sandbox(Isolation(options.isolation))) as sandbox, tempfile.TemporaryDirectory() as home:
        costs = measure_costs(wanted, sandbox, Path(home), settings, lambda cost: sys.stderr.write(cost.program + "\n"))
    sys.stdout.write(as_lines(costs) + "\n")


main()
