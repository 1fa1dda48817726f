"""The command line, as the test of a chat runs it: a search is the toy's, whose judge is scripted.

With ``optimize`` as its first word it is such a search: its first candidate comes at once, for the next ones it
thinks until its time is up, which it is when somebody asks it to finish.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__)


def load_toy() -> Any:
    """The module toy_search.py."""
    spec = importlib.util.spec_from_file_location("toy_search", HERE.parents[1] / "agent" / "toy_search.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_search"] = module
    spec.loader.exec_module(module)
    return module


def search(problem: Path, folder: Path) -> int:
    """Find a kernel, then think."""
    from agent.run import Seams, optimize
    from kernelwright.live import PlainWatcher
    from tools.fake_judge import FakeJudge
    from tools.problem import load_problem

    toy = load_toy()

    def propose(task: Any, *, out_of_time: Callable[[], bool], **seams: Any) -> Any:
        while task.round and not out_of_time():
            time.sleep(0.05)
        return toy.proposal(150 + task.slot) if not task.round else toy.proposal(None)

    seams = Seams(judge=FakeJudge(toy.follow), propose=propose, model=object())  # type: ignore[arg-type]
    settings = toy.settings(folder.parent, out=folder, memory=False)
    return int(optimize(load_problem(problem), settings, subscribers=[PlainWatcher()], seams=seams).exit_code)


if __name__ == "__main__":
    if sys.argv[1] == "optimize":
        sys.exit(search(Path(sys.argv[2]), Path(sys.argv[sys.argv.index("--out") + 1])))
    from kernelwright import chat_searches
    from kernelwright.cli import main

    chat_searches.PROGRAM = (sys.executable, str(HERE))
    sys.exit(main())
