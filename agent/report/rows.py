"""The parts of the page that grow with the run: the tree, the tables, the diffs. Each is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.report.amounts import duration, interval, ratio, seconds, share
from agent.report.facts import CaseFacts, NodeFacts, Report
from agent.report.markup import Html, escape, join, tag

MAX_ROWS = 2500
"""Candidates that the page lists; the JSON has all of them."""
MAX_TEXT = 160
"""Characters of a strategy or a reason in a row."""
_CLASSES = {"+": "a", "-": "d", "@": "h"}


def table(header: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0) -> Html:
    """``numbers``: so many columns at the right hold numbers."""
    first = len(header) - numbers

    def line(cells: Sequence[object], kind: str) -> Html:
        return tag("tr", *(tag(kind, cell, class_="n" if at >= first else None) for at, cell in enumerate(cells)))

    body = tag("tbody", *(line(row, "td") for row in rows))
    return tag("div", tag("table", tag("thead", line(header, "th")), body), class_="scroll")


def facts_list(facts: dict[str, str]) -> Html:
    """Names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items()))


def case_table(cases: Sequence[CaseFacts]) -> Html:
    """Each case with its intervals and what it reaches of its floor."""
    header = (
        "case",
        "limited by",
        "best baseline",
        "candidate",
        "5 % to 95 %",
        "speed-up",
        "95 % interval",
        "of the floor",
    )
    rows = [
        (
            case.name,
            case.bound or "unknown",
            f"{seconds(case.baseline_s)} ({case.baseline or 'unknown'})",
            seconds(case.candidate_s),
            f"{seconds(case.p5_s)} to {seconds(case.p95_s)}",
            ratio(case.speedup),
            interval(case.ci95),
            share(case.fraction) + (f" ({seconds(case.floor_s)})" if case.floor_s else ""),
        )
        for case in cases
    ]
    return table(header, rows, numbers=6)


def tree_list(report: Report) -> Html:
    """Every candidate beneath the one it was made of, and proposals that were the same program as another."""
    depths = _in_depth(report.nodes)
    chosen = _chosen(report, [node for node, _ in depths])
    by_id = {node.id: node for node in report.nodes}
    repeats: dict[str | None, list[Html]] = {}
    for one in report.repeats[:MAX_ROWS]:
        same = by_id.get(one.same_as)
        repeats.setdefault(one.parent if one.parent in by_id else None, []).append(
            _row(
                "same", None, one.candidate, f"not judged: the same program as {_name(same, one.same_as)}", one.strategy
            )
        )
    lines = [_indented(row, 0) for row in repeats.get(None, [])]
    for node, depth in depths:
        if node.id in chosen:
            lines.append(_indented(_node_row(node), depth))
            lines += [_indented(row, depth + 1) for row in repeats.get(node.id, [])]
    left = len(depths) - len(chosen)
    more = tag("p", f"{left} more candidates are in the JSON form of this report.", class_="note") if left else Html("")
    return join([tag("ul", *lines, class_="tree"), more])


def _name(node: NodeFacts | None, candidate: str) -> str:
    return candidate[:8] if node is None else f"{node.place}. {candidate[:8]}"


def _in_depth(nodes: Sequence[NodeFacts]) -> list[tuple[NodeFacts, int]]:
    """Parents before their children, with how deep they are; chains may be longer than a stack is deep."""
    known = {node.id for node in nodes}
    children: dict[str | None, list[NodeFacts]] = {}
    for node in nodes:
        children.setdefault(node.parent if node.parent in known and node.parent != node.id else None, []).append(node)
    found: list[tuple[NodeFacts, int]] = []
    waiting = [(node, 0) for node in reversed(children.get(None, []))]
    while waiting:
        node, depth = waiting.pop()
        found.append((node, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(node.id, []))]
    return found


def _chosen(report: Report, nodes: Sequence[NodeFacts]) -> set[str]:
    """What is listed where not all can be: the champion's line first, then who was best, then the first ones."""
    by_id = {node.id: node for node in report.nodes}
    line: list[str] = []
    at = by_id.get(report.champion or "")
    while at is not None and len(line) <= len(by_id):
        line.append(at.id)
        at = by_id.get(at.parent or "")
    ordered = dict.fromkeys([*line, *(node.id for node in nodes if node.fate == "was best")])
    ordered |= dict.fromkeys(node.id for node in nodes)
    return set(list(ordered)[:MAX_ROWS])


def _node_row(node: NodeFacts) -> Html:
    told = node.fate if node.speedup is not None else f"rejected: {node.reason}"
    if node.speedup is None and node.detail:
        told += f": {node.detail}"
    if node.kind:
        told += f" ({node.kind})"
    label = f"{node.place}. {node.id[:8]}"
    speed = "" if node.speedup is None else f" {ratio(node.speedup)} {interval(node.ci95)}"
    return _row(node.fate.replace(" ", "-"), f"n{node.place}", label, told, node.strategy, speed)


def _row(kind: str, anchor: str | None, label: str, told: str, strategy: str, speed: str = "") -> Html:
    name = tag("span", label[:24] + speed, class_="id")
    return tag("li", name, " ", tag("span", _cut(told), class_="fate"), " ", _cut(strategy), class_=kind, id=anchor)


def _indented(row: Html, depth: int) -> Html:
    return Html(f'<li style="--d:{depth}"{row[3:]}')


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 3] + "..."


def diff_block(text: str | None, absent: str) -> Html:
    """A unified diff with its lines coloured; ``absent`` says why there is none."""
    if text is None:
        return tag("p", absent, class_="none")
    if not text:
        return tag("p", "They are the same text.", class_="none")
    lines = []
    for line in text.split("\n"):
        kind = _CLASSES.get(line[:1])
        lines.append(tag("span", line, class_=kind) if kind else escape(line))
    return tag("pre", join(lines, "\n"))


def time_table(where: dict[str, float], total: float) -> Html:
    """Seconds and what part of all they are."""
    rows = [(name, duration(value), share(value / total if total else 0.0)) for name, value in where.items()]
    return table(("what", "active time", "share"), rows, numbers=2)
