"""Numbers and verdicts as people read them; the same words in the live view, the tables and the reports."""

from __future__ import annotations

from typing import Any

from agent.asked import asked_text
from kernelwright.output import one_line
from tools.roofline import roof_of

Json = dict[str, Any]


def seconds(value: float | None) -> str:
    """Three significant digits with a unit: ``812 us``, ``12.3 ms``, ``4.56 s``."""
    if value is None:
        return "-"
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if value * factor < 999.5:
            return f"{_three(value * factor)} {unit}"
    return f"{_three(value)} s"


def _three(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"


def clock(value: float) -> str:
    """Minutes and seconds: ``1:05``."""
    whole = max(0, round(value))
    return f"{whole // 60}:{whole % 60:02d}"


def speedup(value: float | None, interval: Any = None) -> str:
    """``1.52x [1.48, 1.56]``; a dash where there is none."""
    if value is None:
        return "-"
    text = f"{value:.2f}x"
    return f"{text} [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else text


def verdict_line(verdict: Json) -> str:
    """What was decided, in a few words."""
    if verdict["status"] == "accepted":
        word = {True: "faster", False: "not faster", None: "no clear difference"}[verdict.get("faster")]
        lost = lost_cases(verdict)
        but = f" but slower in {', '.join(map(one_line, lost))}" if lost else ""
        return f"accepted, {speedup(verdict.get('speedup'), verdict.get('speedup_ci95'))}, {word}{but}"
    detail = one_line(verdict.get("detail") or "")
    word = "could not be judged" if verdict["status"] == "infrastructure_error" else "rejected"
    return f"{word}: {verdict['reason']}" + (f": {detail}" if detail else "")


def start_line(start: Json) -> str:
    """What became of a kernel that the user gave."""
    name = one_line(start["strategy"]).removeprefix("the user's own kernel ").strip("()")
    if start["status"] == "accepted":
        return f"{name}: accepted, {speedup(start['speedup'], start['speedup_ci95'])} over the best baseline"
    if start["status"] == "not_judged":
        return f"{name}: not judged"
    detail = one_line(start.get("detail") or "")
    return f"{name}: rejected: {start['reason']}" + (f": {detail}" if detail else "")


def over_start_line(compared: Json) -> str:
    """How much faster the champion is than that kernel."""
    if compared["speedup"] is None:
        return f"not comparable: {compared['why']}"
    return f"{speedup(compared['speedup'], compared['speedup_ci95'])}, by what both reach over one baseline"


def error_line(verdict: Json) -> str:
    """The candidate's distance from the oracle beside eager's own."""
    mine, eager = verdict.get("error"), verdict.get("eager_error")
    if not mine:
        return "-"
    text = f"{mine['worst']:.1e} worst, {mine['norm']:.1e} in norm"
    return f"{text} (eager: {eager['worst']:.1e}, {eager['norm']:.1e})" if eager else text


def verdict_rows(verdict: Json) -> list[tuple[str, str]]:
    """A verdict as label and value, for a table."""
    baselines = verdict.get("baselines") or {}
    rows = [("verdict", verdict_line(verdict))]
    rows += [(f"  {name}", seconds(value)) for name, value in sorted(baselines.items(), key=lambda item: item[1])]
    if verdict.get("speedup") is not None:
        rows.append(("  candidate", seconds(candidate_seconds(verdict))))
        rows.append(("speed-up", f"{speedup(verdict['speedup'], verdict.get('speedup_ci95'))} over the best baseline"))
    if len(verdict.get("cases") or ()) > 1:
        rows.append(("worst case", speedup(verdict.get("worst_case_speedup"))))
        rows += [(f"  {one_line(case['name'])}", case_line(case)) for case in verdict["cases"]]
    if verdict.get("error"):
        rows.append(("error", error_line(verdict)))
    if verdict.get("roofline_fraction") is not None:
        rows.append(("roofline", roofline_line(verdict)))
    rows.append(("evidence", evidence_line(verdict)))
    if verdict.get("stage_seconds"):
        rows.append(("cost", cost_line(verdict)))
    return rows


def case_line(case: Json) -> str:
    """One case of several, and whether it is lost: the mean of all does not tell."""
    text = speedup(case["speedup"], case["speedup_ci95"])
    return text + (", slower than the best baseline" if case["speedup_ci95"][1] < 1 else "")


def lost_cases(verdict: Json) -> list[str]:
    """Names of the cases in which a candidate is slower than the best baseline, though it is faster on the whole."""
    cases = verdict.get("cases") or ()
    lost = [str(case["name"]) for case in cases if len(cases) > 1 and case["speedup_ci95"][1] < 1]
    return lost if verdict["status"] == "accepted" and verdict.get("faster") is not False else []


def roofline_line(verdict: Json) -> str:
    """What it reaches of what the device allows, and whether that leaves anything to win."""
    text = f"{verdict['roofline_fraction']:.0%} of {roof_of(case.get('bound') for case in verdict.get('cases') or ())}"
    return text + (", nothing is left to win" if verdict.get("at_floor") else "")


def cost_line(verdict: Json) -> str:
    """What the judgement took, a stage at a time."""
    return ", ".join(f"{name} {value:.1f} s" for name, value in verdict["stage_seconds"].items() if value >= 0.05)


def steered_line(data: Json) -> str:
    """What somebody asked of a run."""
    return one_line(asked_text(data))


def evidence_line(verdict: Json) -> str:
    """How far the numbers can be trusted, and what stood around the code."""
    confirmed = ", confirmed in fresh processes" if verdict.get("confirmed") else ""
    if verdict.get("sittings", 1) > 1:
        confirmed += f" (a close call: {verdict['sittings']} times)"
    licence = f"{verdict.get('precision', 'native')} precision"
    return (
        f"{verdict.get('evidence', '-')} on {verdict.get('target', '-')}{confirmed}; {licence}; "
        f"isolation {verdict.get('isolation') or '-'}"
    )


def candidate_seconds(verdict: Json) -> float | None:
    """The candidate's median, geometric mean over the cases."""
    times = [case["candidate"]["median_s"] for case in verdict.get("cases") or ()]
    if not times or min(times) <= 0:
        return None
    product = 1.0
    for value in times:
        product *= value ** (1 / len(times))
    return product
