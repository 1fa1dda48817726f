"""Plots are XML that shows what the numbers say, whatever problems are called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from evals.comparing import compare
from evals.plots import comparison_plot, fast_p_plot, speedups_plot
from evals.scoring import FAST_P

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>&"


@pytest.fixture
def three(reports):
    arms = ("agent", "once", "best_of_n")
    results = [
        reports.result(f"p{n}", (1.2 + n / 4) / (1 + k / 3), repeat, arm=arm)
        for k, arm in enumerate(arms)
        for n in range(5)
        for repeat in (1, 2)
    ]
    return reports.report(*results, reports.failed(HOSTILE), arms=arms)


def parsed(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    return root


def test_a_curve_of_each_arm_falls_in_steps_from_its_pass_rate(three):
    root = parsed(fast_p_plot(three))
    paths = list(root.iter(f"{SVG}path"))
    assert [path.get("class") for path in paths] == ["arm0", "arm1", "arm2"]
    assert {"agent", "once", "best_of_n"} <= {one.text for one in root.iter(f"{SVG}text")}
    start = [float(re.match(r"M[\d.]+ ([\d.]+)", path.get("d"))[1]) for path in paths]
    # The agent's failed problem is no right answer.
    assert start[0] > start[1] == start[2]
    heights = [float(one) for one in re.findall(r"V([\d.]+)", paths[0].get("d"))]
    assert heights == sorted(heights)


def test_the_curve_is_the_scores_fast_p(three):
    """At every p of the table, read off the path as a person would."""
    root = parsed(fast_p_plot(three))
    ticks = {one.text: float(one.get("x")) for one in root.iter(f"{SVG}text") if one.get("text-anchor") == "middle"}
    unit = ticks["1"] - ticks["0"]
    steps = re.findall(r"H([\d.]+)V([\d.]+)", next(root.iter(f"{SVG}path")).get("d"))
    levels = {one.text: float(one.get("y")) - 4 for one in root.iter(f"{SVG}text") if (one.text or "").endswith("%")}
    begin = float(re.match(r"M[\d.]+ ([\d.]+)", next(root.iter(f"{SVG}path")).get("d"))[1])
    for p in (p for p in FAST_P if p <= 2):
        x = ticks["0"] + p * unit
        y = ([begin] + [float(height) for place, height in steps if float(place) <= x + 0.06])[-1]
        share = (levels["0%"] - y) / (levels["0%"] - levels["100%"])
        assert share == pytest.approx(three.scores["agent"].fast_p[f"{p:g}"], abs=0.01), p


def test_names_are_text_and_never_markup(three):
    root = parsed(speedups_plot(three))
    assert any("<script>" in (one.text or "") for one in root.iter(f"{SVG}text"))
    assert not list(root.iter(f"{SVG}script"))


def test_a_comparison_shows_all_of_it_on_top_and_what_moved(reports):
    former = [reports.result(f"p{n}", 2.0 + n / 100, r) for n in range(12) for r in (1, 2, 3)]
    later = [reports.result(f"p{n}", (2.0 if n else 1.2) + n / 100, r) for n in range(12) for r in (1, 2, 3)]
    found = compare(reports.report(*former), reports.report(*later))
    root = parsed(comparison_plot(found))
    kinds = [one.get("class") for one in root.iter(f"{SVG}circle")]
    assert (kinds[0], kinds.count("worse")) == (found.word, 1 + (found.word == "worse"))
    assert "all problems" in {one.text for one in root.iter(f"{SVG}text")}


def test_nothing_faster_anywhere_is_drawn_too(reports):
    report = reports.report(*(reports.result(f"p{n}", None) for n in range(3)))
    for plot in (fast_p_plot(report), speedups_plot(report), comparison_plot(compare(report, report))):
        parsed(plot)
    for plot in (fast_p_plot(reports.report()), speedups_plot(reports.report())):
        parsed(plot)
