"""``make survival``: is the next honest candidate judged as before, after each attack on the environment.

Usage: python scripts/bench_survival.py [--isolation bubblewrap] [--blocks 24] [--only 'e1*']
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

from evals.integrity.corpus import load_corpus
from evals.integrity.running import SETTINGS
from evals.integrity.survival import ROWS, Survival, as_lines, survive
from sandbox.base import Isolation
from sandbox.opening import open_sandbox

HONEST = "cumsum_double"
"""It computes more than it moves: the times of one that moves more differ from process to process by more than 2 %."""


def main() -> int:
    """Measure and print; 1 if something did not survive."""
    parser = argparse.ArgumentParser(description="Judge an honest program after each attack.")
    parser.add_argument("--isolation", choices=list(Isolation), default=Isolation.BUBBLEWRAP)
    parser.add_argument("--blocks", type=int, default=24, help="of three rounds")
    parser.add_argument("--honest", default=HONEST, metavar="NAME", help="the honest program")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="attacks of such names")
    options = parser.parse_args()
    corpus = load_corpus()
    honest = next((program for program in corpus if program.is_honest and program.name == options.honest), None)
    if honest is None:
        parser.error(f"--honest {options.honest}: the corpus has no honest program of that name")
    attacks = [program for program in corpus if program.row in ROWS and fnmatch(program.name, options.only)]
    settings = SETTINGS.model_copy(update={"blocks": options.blocks})

    def tell(item: Survival) -> None:
        word, change = "ok  " if item.is_whole else "BAD ", item.change or 0.0
        why = [f"{change:+.1%} after {len(item.after)}", *item.left]
        sys.stderr.write(f"{word} {item.attack.name}: {item.after[-1].status}, {', '.join(why)}\n")

    with closing(open_sandbox(Isolation(options.isolation))) as sandbox, tempfile.TemporaryDirectory() as home:
        survivals = survive(attacks, honest, sandbox, Path(home), settings=settings, notice=tell)
    sys.stdout.write(as_lines(survivals) + "\n")
    return 0 if all(item.is_whole for item in survivals) else 1


sys.exit(main())
