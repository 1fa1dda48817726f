"""How often one version is called the same as itself: repeats of an evaluation, parted into two by lot and compared.

    kernelwright eval cpu_core --repeats 4 --out same
    python scripts/bench_same.py same [TIMES]

Prints a line for each of the comparisons (20), and ends with 1 if one of them does not say "same".
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from evals.page import verdict_line
from evals.reporting import read_suite_report
from evals.sameness import parted
from tools.errors import RequestError


def main(path: Path, times: int) -> int:
    """Compare and count."""
    parts = parted(read_suite_report(path))
    said: Counter[str] = Counter()
    for _ in range(times):
        found = next(parts)
        said[found.word] += 1
        sys.stdout.write(verdict_line(found) + "\n")
    sys.stdout.write(f"same {said['same']} times of {times}\n")
    return int(said["same"] < times)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: bench_same.py REPORT [TIMES]")
    try:
        sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20))
    except RequestError as error:
        sys.exit(str(error))
