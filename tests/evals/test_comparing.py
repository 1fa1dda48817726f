"""Two agents side by side: what is said of the same one twice, of a slower one, and of what cannot be compared."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest

from evals.comparing import COMPARISON_SCHEMA, compare
from evals.page import comparison_page, verdict_line
from evals.reporting import SuiteReport, read_suite_report
from evals.sameness import counted, parted
from tools.errors import RequestError
from tools.student import student_quantile


@pytest.mark.parametrize(("problems", "repeats"), [(24, 1), (8, 1), (6, 2), (3, 3)])
def test_the_same_version_is_the_same_20_times_of_20(reports, repository, problems, repeats):
    """With the noise of real verdicts; another seed draws other ones (of 5,200 such pairs, 5 were not the same)."""
    truth, noise = reports.recorded(repository)
    lot = random.Random(f"{problems} {repeats}")
    words = []
    for _ in range(20):
        chosen = lot.sample(truth, problems)
        words.append(compare(*(reports.evaluated(chosen, noise, lot, repeats) for _ in range(2))).word)
    assert words == ["same"] * 20


@pytest.mark.parametrize(("problems", "repeats", "slower"), [(24, 1, 1.12), (8, 1, 1.3), (12, 2, 1.12), (6, 3, 1.25)])
def test_a_slower_version_is_worse_and_a_faster_one_better(reports, repository, problems, repeats, slower):
    truth, noise = reports.recorded(repository)
    lot = random.Random(7)
    for _ in range(5):
        chosen = [one for one in lot.sample(truth, 24) if one[0] > 1.4][:problems] if problems < 24 else truth
        former = reports.evaluated(chosen, noise, lot, repeats)
        later = reports.evaluated(chosen, noise, lot, repeats, slower)
        found, turned = compare(former, later), compare(later, former)
        assert (found.word, found.exit_code, turned.word, turned.exit_code) == ("worse", 1, "better", 0)
        assert found.ratio == pytest.approx(1 / turned.ratio)


def test_the_interval_of_one_repeat_is_the_paired_t_interval(reports):
    """Computed another way, of differences so large that the verdicts' own intervals do not matter."""
    before, after = [1.5, 2.0, 2.5, 3.0, 3.5], [1.8, 2.1, 3.5, 3.2, 4.9]
    found = compare(
        *(reports.report(*(reports.result(f"p{n}", s) for n, s in enumerate(of))) for of in (before, after))
    )
    logs = [math.log(b / a) for a, b in zip(before, after, strict=True)]
    half = 8.6103 * statistics.stdev(logs) / math.sqrt(5)  # Student's t of 4 degrees of freedom, 99.9 %
    assert found.ratio == pytest.approx(math.exp(statistics.fmean(logs)))
    assert (found.low, found.high) == pytest.approx(
        (math.exp(statistics.fmean(logs) - half), math.exp(statistics.fmean(logs) + half)), rel=1e-4
    )
    assert found.band == pytest.approx(math.exp(half), rel=1e-4)


def test_the_interval_of_several_repeats_is_welchs(reports):
    before, after = [2.0, 2.6, 2.2], [3.0, 3.9, 3.1]
    found = compare(
        *(reports.report(*(reports.result("p", s, n) for n, s in enumerate(of, 1))) for of in (before, after))
    )
    one, two = ([math.log(value) for value in of] for of in (before, after))
    parts = [statistics.variance(of) / 3 for of in (one, two)]
    half = student_quantile(0.999, 4) * math.sqrt(sum(parts))
    centre = statistics.fmean(two) - statistics.fmean(one)
    assert (found.low, found.high) == pytest.approx((math.exp(centre - half), math.exp(centre + half)), rel=1e-6)


def test_repeats_of_one_afternoon_do_not_hide_what_verdicts_differ_by(reports):
    """Both sides agree with themselves to the last digit, and are 4 % apart, as two judgements of one kernel are."""
    sides = [reports.report(*(reports.result("p", speed, n, half=0.05) for n in range(1, 6))) for speed in (2.0, 2.08)]
    found = compare(*sides)
    assert found.word == "same"
    assert found.band > 1.08


def test_less_than_the_floor_is_nothing(reports):
    sides = [
        reports.report(*(reports.result(f"p{p}", speed, n, half=1e-4) for n in (1, 2) for p in range(30)))
        for speed in (2.0, 2.03)
    ]
    assert compare(*sides).word == "same"
    assert compare(*sides).band == pytest.approx(1.02)


def test_of_one_problem_asked_once_nothing_can_be_said(reports):
    found = compare(*(reports.report(reports.result("p", speed)) for speed in (1.0, 5.0)))
    assert (found.word, found.moved) == ("same", ())
    assert "wider than can be told" in verdict_line(found)


def test_problems_that_moved_are_named_and_the_usual_noise_is_not(reports, repository):
    truth, noise = reports.recorded(repository)
    lot = random.Random(3)
    quiet = 0
    for _ in range(10):
        former, later = (reports.evaluated(truth, noise, lot, 1) for _ in range(2))
        quiet += not compare(former, later).moved
    assert quiet == 10
    broken = [reports.result("p0", 1.0), *later.results[1:]]
    found = compare(former, reports.report(*broken))
    assert [pair.name for pair in found.moved] == ["p0"]
    assert "- p0: 3." in comparison_page(found)
    assert found.word == "same"


def test_a_problem_that_failed_on_one_side_counts_one_there(reports):
    both = [reports.result(f"p{n}", 2.0) for n in range(9)]
    former = reports.report(*both, reports.result("x", 3.0), reports.failed("y"))
    later = reports.report(*both, reports.failed("x"), reports.failed("y"))
    found = compare(former, later)
    pair = next(pair for pair in found.pairs if pair.name == "x")
    assert (pair.before, pair.after) == (pytest.approx(3.0), 1.0)
    assert found.left_out == ("y",)
    assert found.ratio == pytest.approx((1 / 3) ** (1 / 10))


def test_problems_are_paired_by_their_files_not_their_names(reports):
    former = reports.report(reports.result("a", 2.0), reports.result("b", 2.0), reports.result("old", 2.0))
    later = reports.report(
        reports.result("b", 2.0), reports.result("renamed", 2.0, sha256="hash of a"), reports.result("new", 2.0)
    )
    found = compare(former, later)
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    assert (found.only_before, found.only_after) == (("old",), ("new",))
    assert "Only before: old." in comparison_page(found)


@pytest.mark.parametrize(
    ("changes", "says", "across"),
    [
        ({"precision": "tolerance"}, "licence", False),
        ({"precision": "tolerance", "atol": 1e-3}, "licence", False),
        ({"target": "cuda:sm_90"}, "target", True),
        ({"machine": {"cpu": "another one", "cores": 2, "torch": "2.13.0"}}, "device", True),
        ({"machine": {"cpu": "a processor", "device": "a GPU", "cores": 2, "torch": "2.13.0"}}, "device", True),
        ({"machine": {"cpu": "a processor", "cores": 4, "torch": "2.13.0"}}, "number of threads", True),
    ],
)
def test_what_cannot_be_compared_is_said(reports, changes, says, across):
    results = [reports.result(f"p{n}", 2.0) for n in range(3)]
    former, later = reports.report(*results), reports.report(*results, **changes)
    with pytest.raises(RequestError, match=says):
        compare(former, later)
    if across:
        assert compare(former, later, across=True).word == "same"
    else:
        with pytest.raises(RequestError, match="licence"):
            compare(former, later, across=True)


def test_nothing_in_common(reports):
    with pytest.raises(RequestError, match="no problem in common"):
        compare(reports.report(reports.result("a", 2.0)), reports.report(reports.result("b", 2.0)))
    with pytest.raises(RequestError, match="every problem failed"):
        compare(reports.report(reports.failed("a")), reports.report(reports.failed("a")))


def test_licences_with_other_bounds_are_other_licences(reports):
    results = [reports.result(f"p{n}", 2.0) for n in range(3)]
    sides = [reports.report(*results, precision="tolerance", atol=atol) for atol in (1e-3, 1e-4)]
    assert sides[0].licence == "tolerance, atol 0.001"
    with pytest.raises(RequestError, match="scores of different licences"):
        compare(*sides)


def test_the_json_is_one_object_with_a_schema(reports):
    results = [reports.result(f"p{n}", 2.0) for n in range(3)]
    data = json.loads(
        json.dumps(compare(reports.report(*results), reports.report(*results)).to_json(), allow_nan=False)
    )
    assert (data["schema"], data["word"], data["moved"]) == (COMPARISON_SCHEMA, "same", [])
    assert data["before"]["tokens"] == 300


def test_reports_are_read_from_files_and_folders(reports, tmp_path):
    given = reports.report(reports.result("a", 2.0))
    (tmp_path / "report.json").write_text(json.dumps(given.to_json()))
    assert read_suite_report(tmp_path) == read_suite_report(tmp_path / "report.json") == given


def test_a_report_of_before_arms_and_repeats_is_read(reports, tmp_path):
    data = reports.report(reports.result("a", 2.0)).to_json()
    data["schema"] = "kernelwright.suite_report/1"
    for name in ("arms", "repeats", "without", "note", "least", "atol", "rtol", "scores", "missed", "licence"):
        del data[name]
    data["score"] = {"geometric_mean": 2.0}
    for one in data["results"]:
        one["schema"] = "kernelwright.suite_result/1"
        for name in ("arm", "repeat", "steps"):
            del one[name]
    (tmp_path / "report.json").write_text(json.dumps(data))
    found = read_suite_report(tmp_path)
    assert isinstance(found, SuiteReport)
    assert found.scores["agent"].geometric_mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "schema None"),
        ('{"schema": "kernelwright.suite_report/9"}', "suite_report/9"),
        ('{"schema": "kernelwright.suite_report/2", "results": []}', "damaged"),
        ('{"schema": "kernelwright.suite_report/2", "results": [1]}', "damaged"),
    ],
)
def test_a_report_that_cannot_be_read_is_one_line(tmp_path, text, says):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(RequestError, match=says):
        read_suite_report(tmp_path / "r.json")
    with pytest.raises(RequestError, match="cannot read"):
        read_suite_report(tmp_path / "none")


def test_halves_of_one_evaluation_are_the_same_20_times_of_20(reports, repository):
    truth, noise = reports.recorded(repository)
    whole = reports.evaluated(truth[:8], noise, random.Random(5), 6)
    assert counted(whole, 20) == {"same": 20}
    found = next(parted(whole))
    assert found.before.tokens == found.after.tokens == 8 * 3 * 100
    with pytest.raises(RequestError, match="only one repeat"):
        next(parted(reports.report(reports.result("a", 2.0))))
