"""``make bench-gpu``: what this system does on a GPU, measured in pieces, and the pieces put into one page.

    python scripts/bench_gpu.py [--part judging,model] [--only 'softmax_*'] [--shard 1/3] [--minutes 9]
    python scripts/bench_gpu.py --merge bench-gpu --out docs/results

Every row is written when it is finished, to a new file in ``--pieces``; what a file there has a result for is not
measured again. ``--rehearse`` goes the whole way on small problems with plain memory in a GPU's place.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from evals.gpu_bench import corpus, costs, languages, rematches, searches
from evals.gpu_bench.page import PARTS, write_page
from evals.gpu_bench.pieces import Merged, PieceFile, Row, finished, merge, read_pieces
from evals.gpu_bench.place import Place, place_on
from evals.gpu_bench.running import Chosen, Runner, Task, in_shard
from sandbox.base import Isolation
from sandbox.errors import SandboxError
from sandbox.opening import open_sandbox
from tools.errors import ToolError

PIECES = Path("bench-gpu")
ORDER = (costs.PART, languages.PART, searches.WIDE, searches.PAPER, corpus.PART, rematches.PART)
"""The most informative first."""


def main() -> int:
    """0 if everything that was wanted was measured, 1 if rows failed or time was up, 3 if it could not begin."""
    options = arguments()
    try:
        if options.merge:
            page = write_page(merge(read_pieces(options.merge)), options.out, f"{datetime.now(UTC):%Y-%m-%d}")
            sys.stdout.write(f"{page}\n")
            return 0
        return measure(options)
    except KeyboardInterrupt:
        sys.stderr.write("bench_gpu: interrupted; the same command goes on with what is missing\n")
        return 130
    except (ToolError, SandboxError) as error:
        sys.stderr.write(f"bench_gpu: {error}\n")
        return 3


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(ORDER), help="of " + ", ".join(PARTS) + "; several with commas")
    parser.add_argument("--only", default="*", metavar="PATTERNS", help="rows of such names; several with commas")
    parser.add_argument(
        "--shard", default="1/1", metavar="N/OF", help="every OF-th task of each part, from the N-th on"
    )
    parser.add_argument("--minutes", type=float, help="begin nothing that would probably end later than that")
    parser.add_argument("--max-seconds", type=float, default=60.0, help="for the search on one problem")
    parser.add_argument("--autotuned", action="store_true", help="max-autotune is a baseline of the part model too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure again what has a result")
    parser.add_argument("--pieces", type=Path, default=PIECES, help="folder of pieces that are known")
    parser.add_argument("--to", type=Path, help="folder for the new piece; default: that of --pieces")
    parser.add_argument("--isolation", choices=list(Isolation))
    parser.add_argument("--allow-unsandboxed", action="store_true", help="run attacks where there is no sandbox")
    parser.add_argument("--rehearse", action="store_true", help="without a GPU; no number means anything")
    parser.add_argument("--list", action="store_true", help="print the tasks in order, and measure nothing")
    parser.add_argument(
        "--merge", type=Path, nargs="+", metavar="PATH", help="make a page of pieces, or folders of them"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder of the page")
    options = parser.parse_args()
    unknown = sorted(set(options.part.split(",")) - set(PARTS))
    if unknown:
        parser.error(f"--part {unknown[0]}: choose of {', '.join(PARTS)}")
    number, _, of = options.shard.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        parser.error(f"--shard {options.shard}: give it as 2/5")
    options.shard = int(number), int(of)
    return options


def measure(options: argparse.Namespace) -> int:
    """Measure what is wanted and has no result yet."""
    known = read_pieces([options.pieces]) if options.pieces.is_dir() else []
    chosen = Chosen(
        only=options.only,
        shard=options.shard,
        known=frozenset() if options.again else frozenset(finished(known)),
        minutes=options.minutes,
        max_seconds=options.max_seconds,
        seed=options.seed,
        allow_unsandboxed=options.allow_unsandboxed,
    )
    isolation = Isolation(options.isolation) if options.isolation else None
    with closing(open_sandbox(isolation)) as sandbox, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        place = place_on(sandbox, Path(folder), rehearse=options.rehearse or options.list)
        tasks = tasks_of(options, chosen, place, merge(known))
        if options.list:
            sys.stdout.write("".join(f"{task.part}\t{task.name}\t{len(task.rows) or 1}\n" for task in tasks))
            return 0
        return run(tasks, place, chosen, options)


def tasks_of(options: argparse.Namespace, chosen: Chosen, place: Place, known: Merged) -> list[Task]:
    """Of the parts that are wanted, in ``ORDER``; each part has its own shards."""
    small = options.rehearse
    ways = {
        costs.PART: lambda: costs.tasks(chosen, rehearse=small),
        languages.PART: lambda: languages.tasks(chosen, rehearse=small),
        searches.WIDE: lambda: searches.tasks(searches.WIDE, chosen, autotuned=options.autotuned, rehearse=small),
        searches.PAPER: lambda: searches.tasks(searches.PAPER, chosen, rehearse=small),
        corpus.PART: lambda: corpus.tasks(chosen, place.sandbox, rehearse=small),
        rematches.PART: lambda: rematches.tasks(chosen, known.of(searches.WIDE), rehearse=small),
    }
    wanted = options.part.split(",")
    return [task for part in ORDER if part in wanted for task in in_shard(ways[part](), chosen.shard)]


def spelled(options: argparse.Namespace) -> str:
    """The options that decide what was measured; where files lie is nobody's business."""
    words = ["--part", options.part, "--only", options.only, "--shard", "{}/{}".format(*options.shard)]
    words += ["--minutes", str(options.minutes)] if options.minutes is not None else []
    words += ["--max-seconds", str(options.max_seconds), "--seed", str(options.seed)]
    flags = ("autotuned", "allow_unsandboxed", "rehearse")
    return shlex.join([*words, *(f"--{name.replace('_', '-')}" for name in flags if getattr(options, name))])


def run(tasks: list[Task], place: Place, chosen: Chosen, options: argparse.Namespace) -> int:
    """Write a piece."""
    if not tasks:
        sys.stderr.write("bench_gpu: everything that is wanted has a result already (--again measures it again)\n")
        return 0
    began = datetime.now(UTC)
    command = f"python scripts/bench_gpu.py {spelled(options)}"
    about = {"began": f"{began:%Y-%m-%d %H:%M:%S}", "command": command, "seed": options.seed}
    path = (options.to or options.pieces) / f"piece-{began:%Y%m%d-%H%M%S}.jsonl"
    failed = []
    with closing(PieceFile(path, place.facts(), about)) as piece:

        def add(row: Row) -> None:
            piece.add(row)
            failed.extend([row["name"]] if "error" in row else [])
            sys.stderr.write(line_of(row) + "\n")

        # A mistake of ours in one row must not cost the others their time on a GPU: it is told in its row.
        runner = Runner(place.open, add, chosen, target=place.target, language=place.language, faults=(Exception,))
        whole = runner.run(tasks)
    sys.stdout.write(f"{path}\n")
    return 0 if whole and not failed else 1


def line_of(row: Row) -> str:
    """One line while it runs."""
    if row["part"] == "task":
        return f"     {row['of']} {row['name']}: {row['seconds']:.1f} s, GPU held {row['held_s']:.1f} s"
    verdict = row.get("verdict") or {}
    found = f"{verdict['speedup']:.2f}x" if verdict.get("speedup") else verdict.get("reason") or row.get("message", "")
    return f"{row['part']} {row['name']}: {row.get('error') or found}"


if __name__ == "__main__":
    sys.exit(main())
