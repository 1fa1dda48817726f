"""Each part as a table in Markdown. Pure: rows in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evals.gpu_bench.bars import Bar
from evals.gpu_bench.pieces import Row
from evals.gpu_bench.published import cases_of, theirs


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; a cell is one line."""
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return lines + ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]


def cell(text: str) -> str:
    """One line, no bars."""
    return " ".join(text.split()).replace("|", "\\|")


def judging_table(rows: Sequence[Row]) -> list[str]:
    """What a candidate after the first costs, and where its seconds go."""
    heads = ["problem, candidate", "shape", "KernelBench s", "description s", "baselines s", "first s", "next s"]
    heads += ["GPU held s", "where (s)", "verdict", "speed-up (95 %)"]
    return table(heads, [_judging_row(row) for row in rows])


def _judging_row(row: Row) -> list[str]:
    if "next_s" not in row:
        return [row["name"], *[""] * 8, why(row), ""]
    stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["stages"].items() if seconds >= 0.01)
    numbers = [f"{row[name]:.1f}" for name in ("describe_s", "baselines_s", "first_s")]
    each = f"{row['median_s']:.1f} ({', '.join(f'{item:.1f}' for item in row['next_s'])})"
    shape = " x ".join(map(str, row["shape"]))
    held = f"{row['held_each_s']:.1f}"
    return [row["name"], shape, row["theirs_s"], *numbers, each, held, stages, word(row), speedup(row["verdict"])]


def model_table(rows: Sequence[Row], again: Sequence[Row] = (), *, several_machines: bool = False) -> list[str]:
    """The builtin model, problem by problem; ``again``: rematches of its champions."""
    rematches = {row["name"]: row for row in again}
    heads = ["problem", "dtype", "bound", "best baseline", "ms", "ours ms", "speed-up (95 %)", "accepted", "confirmed"]
    heads += ["roofline", "s", "held s", *(["with max-autotune (95 %)"] if rematches else [])]
    lines = []
    for row in rows:
        cells = _model_row(row)
        if rematches:
            cells.append(_rematch(rematches.get(row["name"])))
        lines.append(cells + ([letter(row["machine"])] if several_machines else []))
    return table(heads + (["machine"] if several_machines else []), lines)


def _rematch(row: Row | None) -> str:
    if row is None:
        return ""
    return why(row) if "error" in row else speedup(row["verdict"]) or word(row)


def _model_row(row: Row) -> list[str]:
    verdict: dict[str, Any] = row.get("verdict") or {}
    cells = [row["name"], row.get("dtype", ""), row.get("bound", "")]
    baselines: dict[str, float] = verdict.get("baselines") or row.get("baselines") or {}
    name = min(baselines, key=lambda item: baselines[item], default="")
    cells += [name, ms(baselines[name]) if name else ""]
    cells.append(ms(baselines[name] / verdict["speedup"]) if name and verdict.get("speedup") else "")
    if "error" in row:
        cells += [why(row), "", ""]
    else:
        said = "yes" if row["confirmed"] else f"no: {row['message']}"
        cells += [speedup(verdict), f"{row['accepted']} of {row['candidates']}", said]
    return [*cells, percent(verdict.get("roofline_fraction")), seconds(row, "seconds"), seconds(row, "held_s")]


def bars_table(found: Sequence[Bar]) -> list[str]:
    """Wanted beside found."""
    words = {True: "holds", False: "**does not hold**", None: "not known"}
    return table(["", "wanted", "found", ""], [[bar.what, bar.wanted, bar.found, words[bar.holds]] for bar in found])


def paper_table(rows: Sequence[Row]) -> list[str]:
    """Case by case, beside the paper's own figures."""
    heads = ["kernel", "case", "baselines ms", "ours ms", "speed-up over the best (95 %)", "confirmed", "evidence"]
    return table([*heads, "the paper"], [line for row in rows for line in _paper_rows(row)])


def _paper_rows(row: Row) -> Iterable[list[str]]:
    verdict: dict[str, Any] = row.get("verdict") or {}
    if verdict.get("cases"):
        for case in verdict["cases"]:
            baselines = ", ".join(f"{name} {ms(item['median_s'])}" for name, item in case["baselines"].items())
            ours = [ms(case["candidate"]["median_s"]), speedup(case)]
            said = "yes" if row["confirmed"] else f"no: {row['message']}"
            yield [
                row["name"],
                case["name"],
                baselines,
                *ours,
                said,
                verdict["evidence"],
                theirs(row["name"], case["name"]),
            ]
        return
    measured: dict[str, dict[str, float]] = row.get("baseline_cases") or {}
    named = dict.fromkeys(case for cases in measured.values() for case in cases) or dict.fromkeys(cases_of(row["name"]))
    told = why(row) if "error" in row else refusal(row)
    for case in named or {"": None}:
        times = ", ".join(f"{name} {ms(cases[case])}" for name, cases in measured.items() if case in cases)
        level = "baselines measured, no kernel" if times else "none"
        yield [row["name"], case, times, "none", told, "no", level, theirs(row["name"], case)]


def refusal(row: Row) -> str:
    """Why the builtin model has no kernel."""
    refused = f" ({row['refused'][-1]})" if row.get("refused") else ""
    return f"the builtin model has none: {row.get('message') or 'it does not say why'}{refused}"


def languages_table(rows: Sequence[Row]) -> list[str]:
    """One kernel in each language."""
    heads = [
        "language",
        "verdict",
        "ms",
        "speed-up (95 %)",
        "confirmed",
        "evidence",
        "compile s",
        "judged and confirmed s",
    ]
    return table(heads, [_language_row(row) for row in rows])


def _language_row(row: Row) -> list[str]:
    verdict: dict[str, Any] = row.get("verdict") or {}
    if not verdict:
        return [row["name"], why(row), *[""] * 6]
    time = ms(verdict["cases"][0]["candidate"]["median_s"]) if verdict.get("cases") else ""
    compiling = row["first"]["stage_seconds"].get("compile")
    cells = [row["name"], word(row), time, speedup(verdict), "yes" if verdict["confirmed"] else "no"]
    return [*cells, verdict["evidence"], "" if compiling is None else f"{compiling:.1f}", seconds(row, "seconds")]


def word(row: Row) -> str:
    """The verdict in a word or two."""
    verdict = row["verdict"]
    text = verdict["status"] if verdict["status"] == "accepted" else f"{verdict['status']}: {verdict['reason']}"
    return text if verdict["status"] == "accepted" else f"{text}, {verdict['detail']}"[:200]


def why(row: Row) -> str:
    """Why there is no result."""
    return f"failed: {row.get('error', 'not run')}"[:240]


def speedup(verdict: dict[str, Any]) -> str:
    """With its interval."""
    if not verdict.get("speedup") or not verdict.get("speedup_ci95"):
        return ""
    low, high = verdict["speedup_ci95"]
    return f"{verdict['speedup']:.2f} ({low:.2f} to {high:.2f})"


def ms(value: float) -> str:
    """Milliseconds."""
    return f"{value * 1e3:.3g}"


def percent(value: float | None) -> str:
    """A share, if it is known."""
    return "" if value is None else f"{value:.0%}"


def seconds(row: Row, name: str) -> str:
    """Seconds, if they are known."""
    return f"{row[name]:.1f}" if name in row else ""


def letter(number: int) -> str:
    """Of a machine."""
    return chr(ord("A") + number)
