"""One whole judgement of a hostile candidate, in a process that writes down what it opens, imports and runs.

Prints JSON. Run by test_authority.py, under strace where there is one.
"""

import json
import os
import sys
from contextlib import closing, suppress
from pathlib import Path

EVENTS = (
    *("open", "import", "exec", "os.listdir", "os.scandir"),
    *("pickle.find_class", "ctypes.dlopen", "subprocess.Popen"),
)
seen: list[tuple[str, str]] = []


def write_down(event: str, arguments: tuple[object, ...]) -> None:
    if event in EVENTS:
        what = arguments[0]
        if event == "subprocess.Popen":
            what = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else str(arguments[0])
        elif event == "exec":
            what = getattr(arguments[0], "co_filename", "?")
        seen.append((event, os.fsdecode(what) if isinstance(what, bytes) else str(what)))


sys.addaudithook(write_down)
threads: set[str] = set()
links: set[str] = set()


def look(text: str) -> None:
    threads.update(path.name for path in Path("/proc/self/task").iterdir())
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.add(str(path.readlink()))


def count_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    from sandbox.bubblewrap import BubblewrapSandbox
    from tests.tools.judged import problem
    from tools.candidate import Candidate
    from tools.judging import SandboxedJudge
    from tools.problem import JudgeSettings

    candidate = Candidate(source=Path(sys.argv[1]).read_text(), language="python")
    settings = JudgeSettings(blocks=4, memory_bytes=2 << 30)
    before = count_descriptors()
    with closing(BubblewrapSandbox()) as sandbox:
        with closing(SandboxedJudge(problem(), sandbox, settings, Path(sys.argv[2]))) as judge:
            judge.describe()
            judge.compile(candidate)
            build = str(judge._builder._entries[candidate.id].room._build)
            verdict = judge.judge(candidate, look)
            look("")
        after = count_descriptors()
    report = {
        "status": verdict.status,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "build": build,
        "seen": seen,
        "threads": sorted(threads),
        "links": sorted(links),
        "modules": sorted(sys.modules),
        "descriptors": [before, after],
    }
    sys.stdout.write(json.dumps(report))


main()
