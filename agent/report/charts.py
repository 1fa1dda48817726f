"""Charts as inline SVG, drawn here: no script, no font and no picture from elsewhere, bounded in size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from agent.report.amounts import duration, interval, ratio, seconds
from agent.report.facts import CaseFacts, NodeFacts
from agent.report.markup import Html, join, tag

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 34
MAX_LINKED = 400
"""Beyond so many candidates a point is a dot of a path: neither a link nor a text of its own."""
MAX_CASES = 24


def speed_chart(nodes: Sequence[NodeFacts], along: Callable[[NodeFacts], float], what: str, name: str) -> Html:
    """Speed-up of each candidate with its interval, and the best so far as steps; the rejected along the bottom."""
    accepted = [node for node in nodes if node.speedup is not None]
    if not accepted:
        return tag("p", "No candidate was accepted: there is nothing to draw.", class_="none")
    end = max(along(node) for node in nodes) or 1.0
    steps = _ticks(end)
    across = Scale(0.0, max(end, steps[-1]), LEFT, WIDTH - RIGHT)
    up = _upwards(accepted)
    marks = [_grid(up), _axis(across, steps, what, name), _intervals(accepted, across, up, along)]
    marks += [
        _best_line(nodes, across, up, along),
        _rejected(nodes, across, along),
        _points(accepted, across, up, along),
    ]
    best = max(accepted, key=lambda node: node.speedup or 0.0)
    label = f"Speed-up over {what}: {len(accepted)} accepted candidates, the fastest at {ratio(best.speedup)}"
    return tag("svg", *marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


class Scale:
    """From a value to a place; logarithmic where that is asked for."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self._map: Callable[[float], float] = math.log if log else float
        self.low, self.high = low, high
        self._low, self._span = self._map(low), (self._map(high) - self._map(low)) or 1.0
        self._start, self._length = start, end - start

    def __call__(self, value: float) -> float:
        """Where a value lies, at the edge where it is beyond."""
        inside = min(self.high, max(self.low, value))
        return round(self._start + (self._map(inside) - self._low) / self._span * self._length, 1)


def _upwards(accepted: Sequence[NodeFacts]) -> Scale:
    ends = [end for node in accepted for end in (node.ci95 or ()) if end > 0]
    values = [node.speedup for node in accepted if node.speedup and node.speedup > 0]
    low, high = min(1.0, *ends, *values, 0.95), max(1.0, *ends, *values, 1.05)
    return Scale(max(low / 1.03, 1e-3), high * 1.05, HEIGHT - BOTTOM, TOP, log=True)


def _grid(up: Scale) -> Html:
    chosen = [1.0]
    for tick in sorted(log_ticks(up.low, up.high), key=lambda one: abs(one - 1.0)):
        if all(abs(up(tick) - up(other)) >= 14 for other in chosen):
            chosen.append(tick)
    lines = [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(tick), y2=up(tick), class_="grid") for tick in chosen]
    texts = [tag("text", f"{tick:g}x", x=LEFT - 6, y=up(tick) + 4, text_anchor="end") for tick in chosen]
    even = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(1.0), y2=up(1.0), class_="even")
    return join([*lines, even, *texts])


def _axis(across: Scale, steps: Sequence[float], what: str, name: str) -> Html:
    floor = HEIGHT - BOTTOM
    parts = [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, class_="axis")]
    for number, step in enumerate(steps):
        text = duration(step) if name == "time" else _thousands(step)
        last = number == len(steps) - 1 and across(step) > WIDTH - RIGHT - 30
        parts.append(tag("text", text, x=across(step), y=floor + 15, text_anchor="end" if last else "middle"))
    parts.append(tag("text", what, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, text_anchor="middle", class_="name"))
    return join(parts)


def _intervals(nodes: Sequence[NodeFacts], across: Scale, up: Scale, along: Callable[[NodeFacts], float]) -> Html:
    bars = [f"M{across(along(n)):g} {up(n.ci95[0]):g}V{up(n.ci95[1]):g}" for n in nodes if n.ci95 is not None]
    return tag("path", d="".join(bars), class_="interval")


def _best_line(nodes: Sequence[NodeFacts], across: Scale, up: Scale, along: Callable[[NodeFacts], float]) -> Html:
    path, best = "", None
    for node in nodes:
        if node.best_so_far is not None and node.best_so_far != best:
            x, y = across(along(node)), up(node.best_so_far)
            path += f"H{x:g}V{y:g}" if path else f"M{x:g} {y:g}"
            best = node.best_so_far
    return tag("path", d=f"{path}H{WIDTH - RIGHT}", class_="best")


def _rejected(nodes: Sequence[NodeFacts], across: Scale, along: Callable[[NodeFacts], float]) -> Html:
    low = HEIGHT - BOTTOM
    bars = [f"M{across(along(node)):g} {low}v-7" for node in nodes if node.speedup is None]
    return tag("path", d="".join(bars), class_="rejected")


def _points(nodes: Sequence[NodeFacts], across: Scale, up: Scale, along: Callable[[NodeFacts], float]) -> Html:
    """The champion's is always one that can be seen."""
    plain = [node for node in nodes if len(nodes) > MAX_LINKED and node.fate != "champion"]
    dots = "".join(f"M{across(along(n)):g} {up(n.speedup or 0.0):g}h0" for n in plain)
    parts = [tag("path", d=dots, class_="dots")] if plain else []
    for node in nodes if not plain else [one for one in nodes if one.fate == "champion"]:
        title = tag(
            "title", f"{node.place}. {node.id[:8]}: {ratio(node.speedup)} {interval(node.ci95)} {node.strategy[:120]}"
        )
        size = 6 if node.fate == "champion" else 3.5
        kind = node.fate.replace(" ", "-")
        point = tag("circle", title, cx=across(along(node)), cy=up(node.speedup or 0.0), r=size, class_=kind)
        parts.append(tag("a", point, href=f"#n{node.place}"))
    return join(parts)


def case_chart(cases: Sequence[CaseFacts]) -> Html:
    """Time of a call by case: the best baseline, the candidate, and the floor beneath both."""
    shown = cases[:MAX_CASES]
    if not shown:
        return Html("")
    row, left = 46, 8
    longest = max(max(case.baseline_s, case.p95_s) for case in shown) or 1.0
    across = Scale(0.0, longest, left, WIDTH - 150)
    parts: list[Html] = []
    for number, case in enumerate(shown):
        y = number * row + 14
        parts.append(tag("text", case.name[:60], x=left, y=y - 2))
        for place, (kind, value, text) in enumerate(
            (("baseline", case.baseline_s, case.baseline[:14] or "baseline"), ("mine", case.candidate_s, "candidate"))
        ):
            at = y + 3 + place * 13
            parts.append(tag("rect", x=left, y=at, width=max(1.0, across(value) - left), height=10, class_=kind))
            parts.append(tag("text", f"{text} {seconds(value)}", x=across(value) + 6, y=at + 9))
        if case.floor_s:
            x = across(case.floor_s)
            parts.append(tag("line", x1=x, x2=x, y1=y + 1, y2=y + 28, class_="floor"))
    label = "Time of a call in each case: best baseline, candidate, and the floor as a line"
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {row * len(shown) + 4}", role="img", aria_label=label)


def _ticks(end: float) -> list[float]:
    """About five round numbers from 0 to at most ``end``."""
    raw = end / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [step * number for number in range(int(end / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between: few in a wide span, more in a narrow one."""
    for factors in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(1 + 0.25 * n for n in range(36)), _FINE):
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        inside = [tick for tick in found if low <= tick <= high]
        if len(inside) >= 4:
            break
    return inside[:: max(1, math.ceil(len(inside) / 8))]


_FINE = tuple(1 + 0.05 * number for number in range(180))


def _thousands(value: float) -> str:
    for name, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:g}{name}"
    return f"{value:g}"
