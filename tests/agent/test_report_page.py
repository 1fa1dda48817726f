"""The report's three forms: they agree, they are bounded, and the page neither asks for anything nor obeys a guest."""

from __future__ import annotations

import importlib.util
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from agent.report.gathering import read_report
from agent.report.markup import escape, tag
from agent.report.page import to_page
from agent.report.style import POLICY
from agent.reporting import render_report

spec = importlib.util.spec_from_file_location("report_runs", Path(__file__).with_name("report_runs.py"))
assert spec is not None
assert spec.loader is not None
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)

VOID = {"meta", "br"}
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "footer", "h1", "h2", "h3", "p", "dl"),
    *("div", "dt", "dd", "figure", "figcaption", "svg", "line", "text", "path", "circle", "rect", "a", "ul", "li"),
    *("span", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"),
}


class Reader(HTMLParser):
    """What a browser would make of it, as far as that is asked here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def leaves_the_file(reader: Reader) -> list[str]:
    """Attributes and styles that name anything but a place in the file itself."""
    found = []
    for name, attributes in reader.elements:
        for key, value in attributes.items():
            refers = key in ("src", "srcset", "href", "data", "action", "poster", "background", "cite", "xlink:href")
            if refers and not (value or "").startswith("#"):
                found.append(f"{name} {key}={value}")
            if key.startswith("on") or (key == "style" and not re.fullmatch(r"--d:\d+", value or "")):
                found.append(f"{name} {key}={value}")
    styles = re.findall(r"url\(|@import|expression\(", "".join(reader.words))
    return found + styles


def test_the_page_is_one_whole_file_that_asks_for_nothing(tmp_path):
    page = to_page(read_report(runs.night(tmp_path / "run")))
    reader = Reader(page)
    assert (reader.open, reader.unbalanced) == ([], [])
    assert {name for name, _ in reader.elements} <= ELEMENTS
    assert leaves_the_file(reader) == []
    policies = [one["content"] for name, one in reader.elements if one.get("http-equiv")]
    assert policies == [POLICY]
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    ids = {one["id"] for _, one in reader.elements if "id" in one}
    assert {(one["href"] or "")[1:] for name, one in reader.elements if name == "a"} <= ids
    assert sum(name == "svg" for name, _ in reader.elements) == 3, "over time, over tokens, by case"


def test_whatever_leaves_the_file_would_be_found():
    for bad in ("<a href='https://a.test'>", "<img src=x>", "<p onclick=f()>", "<p style='background:url(x)'>"):
        assert leaves_the_file(Reader(bad)), bad
    assert leaves_the_file(Reader("<style>@import 'x'</style>"))


def test_what_others_wrote_is_text_and_nothing_else(tmp_path):
    clean, hostile = (
        to_page(read_report(runs.night(tmp_path / name, text))) for name, text in (("a", ""), ("b", runs.HOSTILE))
    )
    reader = Reader(hostile)
    assert {name for name, _ in reader.elements} <= ELEMENTS
    assert leaves_the_file(reader) == []
    assert (reader.open, reader.unbalanced) == ([], [])
    shape = [name for name, _ in Reader(clean).elements if name not in ("span",)]
    # The candidates' sources differ, and so do the lines of their diffs; all else has the same elements.
    assert [name for name, _ in reader.elements if name not in ("span",)] == shape
    assert "evil.test" in "".join(reader.words), "it was there to be escaped"
    assert "\u202e" not in hostile
    assert "\x00" not in hostile


@pytest.mark.parametrize("text", ["<script>", "&lt;", "\"'", "\u202e", "\x1b[31m", "\ud800", "é 中 \n\t"])
def test_escaping(text):
    shown = escape(text)
    assert not set("<>\"'\u202e\x1b\ud800") & set(shown)
    assert set(tag("p", text, title=text)) <= set(shown) | set('<p title="></p>')
    shown.encode()
    if text.isprintable() and text.isascii():
        reader = Reader(tag("p", text))
        assert "".join(reader.words) == text


def test_the_three_forms_agree_on_the_numbers(tmp_path):
    folder = runs.night(tmp_path / "run")
    facts = json.loads(json.dumps(read_report(folder).to_json()))
    words, markdown = " ".join(Reader(to_page(read_report(folder))).words), render_report(folder)
    best = facts["verdict"]
    assert (facts["schema"], facts["status"], facts["confirmed"]) == ("kernelwright.report/2", "improved", True)
    low, high = best["speedup_ci95"]
    numbers = [f"{best['speedup']:.3f}x", f"[{low:.3f}, {high:.3f}]", f"{best['roofline_fraction']:.0%}"[:-1]]
    for case in facts["cases"]:
        numbers += [f"{case['speedup']:.3f}x", "[{:.3f}, {:.3f}]".format(*case["ci95"]), f"{case['fraction']:.0%}"[:-1]]
        numbers += [
            f"{case['candidate_s'] * 1e3:.3g} ms"
            if case["candidate_s"] >= 1e-3
            else f"{case['candidate_s'] * 1e6:.3g} us"
        ]
    numbers += [f"{node['speedup']:.3f}x" for node in facts["nodes"] if node["speedup"] is not None]
    for number in numbers:
        assert number in words, number
        assert number in markdown, number
    assert f"{facts['costs']['tokens']:,} tokens" in words
    assert f"{facts['costs']['tokens']} tokens" in markdown
    for text in (words, markdown):
        assert "price unknown" in text
        assert "$0.0000" not in text
    assert sum(facts["costs"]["where"].values()) == pytest.approx(facts["costs"]["active_s"])


def test_what_people_gave_a_run_is_in_all_three_forms(tmp_path):
    folder = runs.night(tmp_path / "run")
    report = read_report(folder)
    page, markdown = " ".join(Reader(to_page(report)).words), render_report(folder)
    facts = json.loads(json.dumps(report.to_json()))
    asked = [(one["kind"], one["said"], one["refused"]) for one in facts["requests"]]
    assert asked == [
        ("hint", "hint: use shared memory ", None),
        ("limit", "max candidates 16", None),
        ("pause", "pause", "it came too late "),
    ]
    assert facts["requests"][0]["elapsed_s"] == 271.0
    (tuned,) = facts["tuned"]
    assert (tuned["candidate"], tuned["winner"], tuned["values"]) == (f"{5:016x}", f"{8:016x}", {"ROWS": 8})
    assert [one["speedup"] for one in tuned["tries"]] == [1.41, None, 1.57]
    (start,) = facts["starts"]
    assert (start["candidate"], start["status"], start["reason"]) == (f"{3:016x}", "rejected", "wrong_output")
    for text in (page, markdown):
        for told in (
            "Asked while it ran", "hint: use shared memory", "max candidates 16", "not done: it came too late",
            "Numbers", "tuning chose ROWS=8 (3 settings tried, 1 failed; 1.57x against 1.41x in quick measurements)",
            "ROWS=1 (defaults): 709.2 us, 1.410x", "1 failed: compile_error",
            "Started from", "the user's own kernel (mine.py)", "wrong_output: off by 3e-2",
        ):  # fmt: skip
            assert told in text, told


def test_a_run_that_was_given_nothing_says_nothing_of_it(tmp_path):
    report = read_report(runs.large(tmp_path / "run", 5))
    assert (report.starts, report.tuned, report.requests) == ((), (), ())
    for text in (to_page(report), render_report(tmp_path / "run")):
        assert not re.search("Asked while it ran|Numbers|Started from", text)


def test_how_the_champion_stands_to_the_users_kernel(tmp_path):
    story = runs.Story(tmp_path / "run")
    story.start(1)
    story.judge(1, None, 1.5)
    story.judge(2, 1, 1.83)
    compared = {"start": f"{1:016x}", "speedup": 1.22, "speedup_ci95": [1.19, 1.25], "faster": True, "why": None}
    story.tell("confirmed", candidate=f"{2:016x}", holds=True, verdict=runs.verdict(1.83), over_start=compared)
    folder = story.write()
    for text in (" ".join(Reader(to_page(read_report(folder))).words), render_report(folder)):
        assert "1.500x" in text
        assert "1.220x [1.190, 1.250]" in text
    assert read_report(folder).starts[0].over == {name: compared[name] for name in compared if name != "start"}


def test_requests_without_end_make_a_bounded_page(tmp_path):
    story = runs.Story(tmp_path / "run")
    for number in range(1000):
        story.ask(number, "hint", text=f"no. {number}.")
    report = read_report(story.write())
    for text in (to_page(report), render_report(tmp_path / "run")):
        assert "800 earlier ones are" in text
        assert "no. 999." in text
        assert "no. 799." not in text
    assert len(report.requests) == 1000


def test_every_candidate_is_told_with_what_became_of_it(tmp_path):
    report = read_report(runs.night(tmp_path / "run"))
    page = to_page(report)
    assert len(report.nodes) == 16
    fates = {node.place: node.fate for node in report.nodes}
    assert (fates[1], fates[2], fates[5], fates[15]) == ("rejected", "was best", "accepted", "champion")
    for node in report.nodes:
        assert f'id="n{node.place}"' in page
    assert "rejected: wrong_output: off by 3e-2" in page
    assert "not judged: the same program as 15. 00000000<" in page
    assert "1 proposals brought no candidate" in page
    assert report.sources.parent_diff is not None
    assert "-    unroll = 11" in report.sources.parent_diff
    assert "+    unroll = 14" in page
    assert report.sources.reference_diff is not None
    tokens = [node.tokens for node in report.nodes]
    assert tokens == sorted(tokens)
    assert report.nodes[0].tokens == 900


def test_what_the_archive_gave_up_is_told_as_evicted(tmp_path):
    report = read_report(runs.large(tmp_path / "run", 60))
    fates = {node.fate for node in report.nodes}
    assert {"champion", "evicted", "rejected"} <= fates
    assert to_page(report).count("evicted") > 3
    assert "Evicted from the archive" in render_report(tmp_path / "run")


def test_a_run_without_an_accepted_candidate(tmp_path):
    story = runs.Story(tmp_path / "run")
    story.judge(1, None, None)
    story.finish(None, judged=1)
    report = read_report(story.write())
    page = to_page(report)
    assert report.headline == "No improvement: that is all"
    assert (report.champion, report.verdict, report.reasons) == (None, None, {"wrong_output": 1})
    assert "No candidate was accepted" in page
    assert leaves_the_file(Reader(page)) == []


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_run_that_was_cut_off_anywhere(tmp_path, cut):
    folder = runs.night(tmp_path / "run")
    log = folder / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:cut]))
    report = read_report(folder)
    reader = Reader(to_page(report))
    assert report.status == "unfinished"
    assert (reader.open, reader.unbalanced) == ([], [])
    if report.champion is not None:
        assert report.headline.startswith("Unfinished; the best so far: 1.")
        assert "not confirmed yet" in report.headline
    else:
        assert report.headline == "Not finished: nothing was accepted so far"
    assert "not finished" in render_report(folder)


def test_an_interrupted_run_says_so(tmp_path):
    story = runs.Story(tmp_path / "run")
    story.judge(1, None, 1.2)
    story.lead(1, 1.2)
    story.tell("interrupted", message="stopped")
    report = read_report(story.write())
    assert (report.status, report.confirmed) == ("interrupted", False)
    assert report.headline.startswith("Interrupted; the best so far: 1.200x, 95 % interval [1.176, 1.224]")


def test_lost_artifacts_cost_only_what_they_held(tmp_path):
    import shutil

    folder = runs.night(tmp_path / "run")
    shutil.rmtree(folder / "artifacts")
    report = read_report(folder)
    assert (report.sources.champion, report.profiles, len(report.nodes)) == (None, (), 16)
    assert "1.900x" in to_page(report)


def test_a_large_run_makes_a_bounded_page(tmp_path):
    folder = runs.large(tmp_path / "run", 3000)
    before_s = time.process_time()
    report = read_report(folder)
    page = to_page(report)
    assert len(page.encode()) < 3_000_000
    assert time.process_time() - before_s < 60, "not a duration of note: what grows with the square takes minutes"
    reader = Reader(page)
    assert (reader.open, reader.unbalanced) == ([], [])
    assert "500 more candidates are in the JSON form" in page
    assert f'id="n{len(report.nodes)}"' in page, "the champion is always listed"
    assert len(report.to_json()["nodes"]) == 3000


def test_a_huge_source_is_cut(tmp_path):
    story = runs.Story(tmp_path / "run")
    for number in (1, 2):
        story.judge(
            number, number - 1 or None, 1.0 + number, "\n".join(f"x = {line + number}" for line in range(60_000))
        )
    story.finish(2, 3.0, 2)
    report: Any = read_report(story.write())
    assert len(report.sources.champion) < 130_000
    assert len(to_page(report)) < 2_000_000
