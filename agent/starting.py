"""The user's own kernels: what a run may start from, and whether what it found is faster than they are.

A start is a candidate like any other: it is judged first, as a child of the root, and recognised when somebody writes
it again. It is only never the run's own result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.ledger import Ledger
from agent.tree import Node, ranked
from tools.candidate import Candidate
from tools.errors import RequestError
from tools.screening import screen, shown_languages

KIND = "start"
"""Of such a node, in the log and in the tree."""
ORIGIN = "user"
CLEARLY = 0.02
"""By more than that, or by more than the noise of a measurement: as ``tools.verdict`` has *faster*."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """One file of the user's."""

    name: str
    """Of the file."""
    source: str

    @property
    def strategy(self) -> str:
        """In the place of what a model says of its candidate."""
        return f"the user's own kernel ({self.name})"


def check_starts(starts: Sequence[Start], language: str) -> None:
    """Raises RequestError for what is no candidate, or not one in the run's language."""
    for start in starts:
        seen = screen(start.source)
        if seen.reason == "no_model_new":
            raise RequestError(f"{start.name} defines no class ModelNew: name the class so that stands for Model")
        if seen.reason is not None:
            raise RequestError(f"{start.name}: {seen.detail}: mend it, or leave --start out")
        shown = shown_languages(start.source)
        if shown and language not in shown:
            raise RequestError(
                f"{start.name} is written in {' and '.join(shown)}, and this run's candidates in {language}: "
                f"pass --language {shown[0]}, or a kernel in {language}"
            )


def seeds_of(starts: Sequence[Start], language: str, put: Any) -> list[Json]:
    """As ``recalled`` events hold what is judged before any model call; each text once."""
    found: dict[str, Json] = {}
    for start in starts:
        name = Candidate(source=start.source, language=language).id
        about = {"candidate": name, "language": language, "source_artifact": put(start.source)}
        found.setdefault(name, {**about, "strategy": start.strategy, "origin": ORIGIN, "kind": KIND})
    return list(found.values())


def best_start(tree: Sequence[Node]) -> Node | None:
    """The fastest of the user's kernels that was accepted."""
    return next((node for node in ranked(tree) if node.kind == KIND), None)


def over_start(verdict: Json, start: Json) -> Json:
    """How much faster one confirmed candidate is than another: both against the same baseline, in sittings of their
    own, so that the intervals of both enter. As JSON: ``speedup``, ``speedup_ci95``, ``faster``, ``why``.
    """
    if start["status"] != "accepted":
        return _incomparable(f"it was not accepted when it was judged again: {start['reason']}")
    pairs = _paired(verdict, start)
    if not pairs:
        return _incomparable("the two were not measured against the same baselines")
    center = sum(pairs) / len(pairs)
    spread = math.hypot(_half_width(verdict), _half_width(start))
    low, high = math.exp(center - spread), math.exp(center + spread)
    noise = max((case["aa_spread"] for one in (verdict, start) for case in one["cases"]), default=0.0)
    bar = 1 + max(CLEARLY, noise)
    faster = True if low > bar else False if high < bar else None
    return {"speedup": math.exp(center), "speedup_ci95": [low, high], "faster": faster, "why": None}


def starts_told(ledger: Ledger, confirmed: str | None) -> list[Json] | None:
    """What became of the user's kernels, for an outcome; None where there were none."""
    seeds = (ledger.find("recalled") or {"seeds": []})["seeds"]
    told = [_told(ledger, seed) for seed in seeds if seed.get("kind") == KIND]
    if not told:
        return None
    held = None if confirmed is None else ledger.find("confirmed", confirmed)
    compared = (held or {}).get("over_start")
    for one in told:
        of_this = compared is not None and compared["start"] == one["candidate"]
        one["over_start"] = {name: compared[name] for name in _TOLD} if of_this and compared is not None else None
    return told


_TOLD = ("speedup", "speedup_ci95", "faster", "why")


def _told(ledger: Ledger, seed: Json) -> Json:
    about = {"candidate": seed["candidate"], "strategy": seed["strategy"]}
    judged = ledger.find("judged", seed["candidate"])
    if judged is None:
        facts = ("status", "reason", "detail", "speedup", "speedup_ci95")
        return {**about, **dict.fromkeys(facts), "status": "not_judged"}
    again = ledger.find("start_confirmed", seed["candidate"])
    verdict = (again or judged)["verdict"]
    return {**about, **{name: verdict[name] for name in ("status", "reason", "detail", "speedup", "speedup_ci95")}}


def _incomparable(why: str) -> Json:
    return {"speedup": None, "speedup_ci95": None, "faster": None, "why": why}


def _paired(verdict: Json, start: Json) -> list[float]:
    """Logarithms of the ratios, a case each; of the whole where no cases are told. Empty if they do not fit."""
    mine, theirs = ({case["name"]: case for case in one["cases"]} for one in (verdict, start))
    if set(mine) != set(theirs):
        return []
    if not mine:
        return [math.log(verdict["speedup"] / start["speedup"])]
    found = []
    for name, case in mine.items():
        ratio = _ratio(case, theirs[name])
        if ratio is None:
            return []
        found.append(math.log(ratio))
    return found


def _ratio(mine: Json, theirs: Json) -> float | None:
    """Over the baseline that was best for the start: times of two sittings are compared by what stood in both."""
    common = mine["baselines"].keys() & theirs["baselines"].keys()
    if not common:
        return None
    best = min(sorted(common), key=lambda name: theirs["baselines"][name]["median_s"])
    one, other = (case["baselines"][best]["median_s"] / case["candidate"]["median_s"] for case in (mine, theirs))
    return float(one / other)


def _half_width(verdict: Json) -> float:
    low, high = verdict["speedup_ci95"] or (verdict["speedup"], verdict["speedup"])
    return math.log(high / low) / 2


def to_starts(paths: Sequence[Path], read: Any) -> tuple[Start, ...]:
    """Files of the user's as starts; ``read`` gives a file's text or raises RequestError."""
    return tuple(Start(path.name, read(path)) for path in paths)
