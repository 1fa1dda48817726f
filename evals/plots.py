"""Plots of scores as SVG files of their own: fast_p curves, speed-ups and ratios problem by problem."""

from __future__ import annotations

from collections.abc import Sequence

from agent.report.charts import Scale, log_ticks
from agent.report.markup import Html, join, tag
from evals.comparing import Comparison
from evals.reporting import SuiteReport
from evals.results import SuiteResult

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 24, 36
ROW = 16
NAMES = 230
"""Room for a problem's name."""
MAX_ROWS = 400
STYLE = Html(
    "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#57606a}"
    ".grid{stroke:#d5dae0;stroke-width:.6}.even{stroke:#57606a;stroke-dasharray:4 3}"
    "path{fill:none;stroke-width:1.8}line.bar{stroke-width:1.6}"
    ".arm0{stroke:#0969da;fill:#0969da}.arm1{stroke:#9a6700;fill:#9a6700}.arm2{stroke:#8250df;fill:#8250df}"
    ".better{stroke:#1a7f37;fill:#1a7f37}.worse{stroke:#cf222e;fill:#cf222e}.same{stroke:#57606a;fill:#57606a}"
    "path.arm0,path.arm1,path.arm2{fill:none}"
)


def fast_p_plot(report: SuiteReport) -> str:
    """Share of the problems with a right answer more than p times as fast, over p: a falling step curve an arm."""
    curves = {arm: _weighted(report.of(arm)) for arm in _shown(report)}
    fastest = max((speed for curve in curves.values() for speed, _ in curve if speed is not None), default=1.0)
    across = Scale(0.0, max(2.0, fastest * 1.05), LEFT, WIDTH - RIGHT)
    up = Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    parts: list[Html] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(share), y2=up(share), class_="grid"))
        parts.append(tag("text", f"{share:.0%}", x=LEFT - 6, y=up(share) + 4, text_anchor="end"))
    for tick in _even_ticks(across.high):
        parts.append(tag("text", f"{tick:g}", x=across(tick), y=HEIGHT - BOTTOM + 15, text_anchor="middle"))
    parts.append(tag("line", x1=across(1.0), x2=across(1.0), y1=TOP, y2=HEIGHT - BOTTOM, class_="even"))
    parts.append(tag("text", "p: times as fast as the best baseline", x=WIDTH / 2, y=HEIGHT - 4, text_anchor="middle"))
    for number, (arm, curve) in enumerate(curves.items()):
        parts.append(tag("path", d=_steps_down(curve, across, up), class_=f"arm{number}"))
        parts.append(_legend(number, arm))
    return _svg(parts, HEIGHT, "fast_p: share of the problems with a right answer more than p times as fast")


def speedups_plot(report: SuiteReport) -> str:
    """What counts of every run, with its verdict's 95 % interval; a row a problem."""
    names = list(dict.fromkeys(result.name for result in report.results))[:MAX_ROWS]
    rows = {name: TOP + ROW * (place + 1) for place, name in enumerate(names)}
    ends = [bound for result in report.results for bound in _interval(result)]
    across = _log_scale([*ends, *(result.to_entry().credit for result in report.results)])
    height = TOP + ROW * (len(names) + 2)
    parts = [*_log_axis(across, height), *(_name(name, y) for name, y in rows.items())]
    for number, arm in enumerate(_shown(report)):
        parts.append(_legend(number, arm))
        for result in report.of(arm):
            if result.name not in rows:
                continue
            y, bounds = rows[result.name] + 3 * number - 4, _interval(result)
            if bounds:
                parts.append(_bar(across, bounds, y, f"arm{number}"))
            parts.append(tag("circle", cx=across(result.to_entry().credit), cy=y, r=2.5, class_=f"arm{number}"))
    return _svg(parts, height, "Speed-up over the best baseline, problem by problem, 1.0 where nothing was faster")


def comparison_plot(found: Comparison) -> str:
    """How many times as fast each problem's answer is as before, with its 99.9 % interval; the whole on top."""
    pairs = sorted(found.pairs, key=lambda pair: -pair.ratio)[:MAX_ROWS]
    across = _log_scale([pair.ratio for pair in pairs] + [found.ratio])
    height = TOP + ROW * (len(pairs) + 3)
    parts = [*_log_axis(across, height)]
    whole = ("all problems", found.ratio, (found.low, found.high), found.word)
    rows = [whole] + [(pair.name, pair.ratio, (pair.low, pair.high), _word(pair.moved, pair.ratio)) for pair in pairs]
    for place, (name, ratio, bounds, word) in enumerate(rows, start=1):
        y = TOP + ROW * place
        parts += [_name(name, y), _bar(across, bounds, y - 4, word)]
        parts.append(tag("circle", cx=across(ratio), cy=y - 4, r=4 if place == 1 else 2.5, class_=word))
    return _svg(parts, height, f"Speed-ups after over before: {found.word}")


def _shown(report: SuiteReport) -> list[str]:
    return [arm for arm in report.arms if report.of(arm)]


def _word(moved: bool, ratio: float) -> str:
    return ("better" if ratio > 1 else "worse") if moved else "same"


def _weighted(results: Sequence[SuiteResult]) -> list[tuple[float | None, float]]:
    """Speed and weight of each run: every problem weighs the same, as in the score."""
    names = [result.name for result in results]
    problems = len(set(names)) or 1
    return [(result.to_entry().speed, 1 / (names.count(result.name) * problems)) for result in results]


def _steps_down(curve: Sequence[tuple[float | None, float]], across: Scale, up: Scale) -> str:
    right = sorted((speed, weight) for speed, weight in curve if speed is not None)
    share = sum(weight for _, weight in right)
    path = f"M{across(0.0):g} {up(share):g}"
    for speed, weight in right:
        share -= weight
        path += f"H{across(speed):g}V{up(max(0.0, share)):g}"
    return f"{path}H{WIDTH - RIGHT}"


def _interval(result: SuiteResult) -> tuple[float, ...]:
    verdict = result.second if result.agrees is not None else result.first
    if verdict is None or verdict.speedup_ci95 is None or verdict.speedup_ci95[0] <= 0:
        return ()
    return verdict.speedup_ci95


def _log_scale(values: Sequence[float]) -> Scale:
    """Wide enough for what is found; intervals that are wider end at its edge."""
    low, high = min([0.9, *values]), max([1.1, *values])
    return Scale(max(low / 1.05, 1e-3), min(high * 1.05, 1e4), NAMES, WIDTH - RIGHT, log=True)


def _log_axis(across: Scale, height: float) -> list[Html]:
    parts = []
    for tick in log_ticks(across.low, across.high):
        parts.append(tag("line", x1=across(tick), x2=across(tick), y1=TOP, y2=height - ROW, class_="grid"))
        parts.append(tag("text", f"{tick:g}x", x=across(tick), y=height - 3, text_anchor="middle"))
    return [*parts, tag("line", x1=across(1.0), x2=across(1.0), y1=TOP, y2=height - ROW, class_="even")]


def _bar(across: Scale, bounds: Sequence[float], y: float, kind: str) -> Html:
    return tag("line", x1=across(bounds[0]), x2=across(bounds[1]), y1=y, y2=y, class_=f"bar {kind}")


def _name(name: str, y: float) -> Html:
    return tag("text", name[:34], x=NAMES - 8, y=y, text_anchor="end")


def _legend(number: int, arm: str) -> Html:
    x = LEFT + 120 * number
    swatch = tag("line", x1=x, x2=x + 18, y1=12, y2=12, class_=f"bar arm{number}")
    return join([swatch, tag("text", arm, x=x + 24, y=16)])


def _even_ticks(end: float) -> list[float]:
    step = next(step for step in (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 250.0, end) if end / step <= 10)
    return [step * number for number in range(int(end / step) + 1)]


def _svg(parts: Sequence[Html], height: float, label: str) -> str:
    box = f"0 0 {WIDTH} {height:g}"
    facts = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, "width": WIDTH, "height": f"{height:g}"}
    ground = tag("rect", width=WIDTH, height=f"{height:g}", fill="#fff")
    return str(tag("svg", tag("style", STYLE), ground, *parts, role="img", aria_label=label, **facts)) + "\n"
