"""toy_search.py with candidates that leave a number open: the same kills, and what was measured is written down.

python toy_tuning.py FOLDER EVENT [EVENT ...] [SETTINGS AS JSON]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import toy_search as toy

from tools.fake_judge import FakeJudge, accepted, rejected
from tools.verdict import Measurement, Verdict

OPEN = "STEP = 2  # tune: 1..6\n"
plain_source, plain_proposal = toy.source_of, toy.proposal


def source_of(value: int) -> str:
    return OPEN + plain_source(value)


def step_of(source: str) -> int:
    found = re.search(r"STEP = (\d+)", source)
    assert found, source
    return int(found[1])


def follow(source: str) -> Verdict:
    """Step 5 is the quickest; step 6 is quicker still in a quick measurement, and wrong in a verdict (``measure``)."""
    step, value = step_of(source), toy.value_of(source)
    if step == 6:
        return rejected("wrong_output.dressed", "with unusual inputs")
    return accepted(value / 100 * (1 + step / 50))


def measure(source: str) -> Measurement:
    """Step 3 does not build; step 4 is wrong."""
    step, value = step_of(source), toy.value_of(source)
    if step in (3, 4):
        return Measurement(reason="compile_error" if step == 3 else "wrong_output")
    return Measurement(speedup=value / 100 * (1 + step / 50), cases={"default": 1e-3 / step})


def measure_truly(source: str) -> Measurement:
    """As ``measure``, and step 6 is found out to be wrong at once."""
    return Measurement(reason="wrong_output") if step_of(source) == 6 else measure(source)


class Recording(FakeJudge):
    """Writes down what was measured, in a file that outlives it."""

    asked: Path | None = None

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__(follow, measurements=measure_truly)

    def measure(self, candidate, notice=None):
        if self.asked is not None:
            with self.asked.open("a") as file:
                file.write(f"{candidate.id}\n")
        return super().measure(candidate, notice)


def main() -> None:
    folder = Path(sys.argv[1])
    toy.source_of, toy.FakeJudge = source_of, Recording  # type: ignore[misc]
    changes = next((json.loads(text) for text in sys.argv[2:] if text.startswith("{")), {})
    for number in [int(text) for text in sys.argv[2:] if text.isdigit()]:
        (folder / str(number)).mkdir(parents=True)
        Recording.asked = folder / str(number) / "measured"
        toy.main(folder, [number], again=False, changes=changes)


if __name__ == "__main__":
    import agent.graph  # noqa: F401 - before the first fork
    import memory.sqlite  # noqa: F401

    main()
