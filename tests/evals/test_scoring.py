"""Scores against computations made another way."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest

from evals.intervals import (
    Resampling,
    bootstrap_ci95,
    geometric_mean,
    intervals_agree,
    mean_of_means,
    quantile,
)
from evals.scoring import FAST_P, Entry, credit, fast_p, score
from tools.student import student_quantile


def entry(name: str, speedup: float | None, **about: object) -> Entry:
    given = {"accepted": True, "improved": speedup is not None and speedup > 1, **about}
    return Entry(name=name, speedup=speedup, **given)


def binomial_cdf(n: int, p: float) -> list[float]:
    terms = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return [math.fsum(terms[: k + 1]) for k in range(n + 1)]


@pytest.mark.parametrize("values", [[2.0], [1.0, 4.0], [0.5, 2.0, 8.0], [1.0 + i / 7 for i in range(44)]])
def test_geometric_mean_is_that_of_statistics(values):
    assert geometric_mean(values) == pytest.approx(statistics.geometric_mean(values), rel=1e-12)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="not defined"):
        geometric_mean([])
    with pytest.raises(ValueError, match="no problems"):
        bootstrap_ci95([], seed=0)


@pytest.mark.parametrize("q", [0.0, 0.025, 0.3, 0.5, 0.975, 1.0])
@pytest.mark.parametrize("count", [2, 3, 10, 11])
def test_quantile_is_numpys(q, count):
    numpy = pytest.importorskip("numpy")
    values = sorted(math.sin(i * 7.3) for i in range(count))
    assert quantile(values, q) == pytest.approx(float(numpy.quantile(values, q)), abs=1e-12)


@pytest.mark.parametrize(("ones", "twos"), [(10, 10), (15, 5), (28, 12)])
def test_bootstrap_is_the_exact_distribution(ones, twos):
    """Of two values, a resample's mean is a binomial count: its quantiles are known without sampling."""
    count = ones + twos
    low, high = bootstrap_ci95([1.0] * ones + [2.0] * twos, seed=3)
    cdf = binomial_cdf(count, twos / count)
    exact = [next(k for k in range(count + 1) if cdf[k] >= q) / count for q in (0.025, 0.975)]
    step = 1 / count
    assert abs(math.log2(low) - exact[0]) <= step + 1e-9
    assert abs(math.log2(high) - exact[1]) <= step + 1e-9


def test_bootstrap_depends_on_its_seed_alone():
    values = [1.0, 1.3, 1.1, 2.4, 1.7, 1.0, 3.1]
    assert bootstrap_ci95(values, seed=1) == bootstrap_ci95(values, seed=1)
    low, high = bootstrap_ci95(values, seed=1)
    assert 1.0 <= low < statistics.geometric_mean(values) < high <= 3.1


def test_no_spread_no_interval():
    assert bootstrap_ci95([1.5] * 6, seed=0) == pytest.approx((1.5, 1.5))


def test_credit_never_punishes_keeping_what_one_had():
    assert credit(2.5) == 2.5
    assert credit(0.4) == 1.0
    assert credit(None) == 1.0
    assert credit(1.4, improved=False) == 1.0


def test_fast_p_counts_right_answers_that_are_strictly_faster():
    assert fast_p([1.0, 1.0, 1.5, 2.0], 1.0) == 0.5
    assert fast_p([1.0, 1.0, 1.5, 2.0], 1.5) == 0.25
    assert fast_p([None, 0.3, None, 2.0], 0.0) == 0.5
    assert fast_p([], 1.0) == 0.0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1.0, 1.2), (1.1, 1.3), True),
        ((1.0, 1.2), (1.2, 1.3), True),
        ((1.0, 1.2), (1.21, 1.3), False),
        ((1.0, 2.0), (1.4, 1.5), True),
        ((1.4, 1.5), (1.0, 1.3), False),
    ],
)
def test_agreement_is_overlap_in_either_order(first, second, expected):
    assert intervals_agree(first, second) is expected
    assert intervals_agree(second, first) is expected


@pytest.mark.parametrize(("groups", "seed"), [([[0.0, 1.0], [0.5, 0.5], [2.0, 0.0]], 0), ([[0.0], [1.0], [3.0]], 1)])
def test_the_hierarchical_bootstrap_is_the_exact_distribution(groups, seed):
    """Every draw of problems and, within each drawn one, of repeats: few enough to be written down."""
    means = [[statistics.fmean(draw) for draw in itertools.product(group, repeat=len(group))] for group in groups]
    exact: dict[float, float] = {}
    for problems in itertools.product(means, repeat=len(groups)):
        for one in itertools.product(*problems):
            value = round(statistics.fmean(one), 9)
            exact[value] = exact.get(value, 0.0) + 1 / (len(groups) ** len(groups) * math.prod(map(len, problems)))
    low, high = Resampling([len(group) for group in groups], seed, 40_000).ci95(groups)

    def below(bound: float) -> float:
        return math.fsum(share for value, share in exact.items() if value <= bound + 1e-9)

    # A sampled quantile lies between exact ones of nearly the same order.
    assert below(low) >= 0.022
    assert below(low - 1e-6 - 1e-9) <= 0.028
    assert below(high) >= 0.972
    assert below(high - 1e-6 - 1e-9) <= 0.978


def test_every_problem_counts_once_however_many_repeats_it_has():
    assert mean_of_means([[1.0], [2.0, 4.0]]) == 2.0
    low, high = Resampling([1, 2], 0).ci95([[1.0], [2.0, 4.0]])
    assert (low, high) == (1.0, 3.5)  # 4.0 takes three draws of one in two and more: one in 64


def test_repeats_widen_the_interval_by_what_they_differ():
    same = [[math.log(1 + p / 7)] * 4 for p in range(12)]
    apart = [[value + shift for value, shift in zip(group, (-0.3, 0.3, -0.2, 0.2), strict=True)] for group in same]
    spread = [high - low for low, high in (Resampling([4] * 12, 0).ci95(groups) for groups in (same, apart))]
    assert spread[1] > spread[0] * 1.02
    assert mean_of_means(apart) == pytest.approx(mean_of_means(same))


@pytest.mark.parametrize(
    ("confidence", "freedom", "expected"),
    # Tables of Student's t; of 1 and 2 degrees of freedom the quantile has a closed form.
    [(0.999, 10, 4.5869), (0.999, 4, 8.6103), (0.95, 30, 2.0423), (0.999, 1e6, 3.2905), (0.99, 3, 5.8409)],
)
def test_students_quantile_is_the_tables(confidence, freedom, expected):
    assert student_quantile(confidence, freedom) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999, 0.99999])
def test_students_quantile_has_closed_forms(confidence):
    assert student_quantile(confidence, 1) == pytest.approx(math.tan(math.pi * confidence / 2), rel=1e-6)
    p = (1 + confidence) / 2
    assert student_quantile(confidence, 2) == pytest.approx((2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p))), rel=1e-6)


def test_score_of_a_mixed_suite():
    entries = [
        entry("twice", 2.0, second_speedup=1.9, agrees=True, steps=3, tokens=10, cost_usd=0.5, seconds=2.0),
        entry("half again", 1.5, second_speedup=1.5, agrees=True, steps=8, tokens=5, cost_usd=0.25, seconds=1.0),
        entry("noise", 1.01, improved=False, best_seen=1.01),
        entry("nothing", None, accepted=False),
        entry("a lie", 8.0, second_speedup=1.1, agrees=False),
        entry("a broken one", 4.0, second_speedup=None, agrees=False),
    ]
    found = score(entries, seed=5)
    assert found.claimed_geometric_mean == pytest.approx((2.0 * 1.5 * 8.0 * 4.0) ** (1 / 6))
    assert found.geometric_mean == pytest.approx((1.9 * 1.5 * 1.1) ** (1 / 6))
    assert (found.problems, found.accepted, found.improved) == (6, 5, 4)
    assert found.pass_rate == found.fast_p["0"] == pytest.approx(4 / 6)
    assert found.fast_p["1"] == pytest.approx(3 / 6)
    assert found.fast_p["1.5"] == pytest.approx(1 / 6)
    assert found.fast_p["3"] == 0.0
    assert (found.worst, found.worst_problem) == (1.01, "noise")
    assert (found.tokens, found.cost_usd, found.seconds) == (15, 0.75, 3.0)
    assert (found.reached_goal, found.steps_to_goal) == (2, 5.5)
    assert (found.judged_twice, found.agreeing) == (4, 2)
    assert found.disagreeing == ("a broken one", "a lie")


def test_a_right_answer_that_is_slower_counts_below_one_and_not_in_the_mean():
    found = score([entry("slow", None, best_seen=0.7), entry("fast", 3.0)])
    assert found.fast_p["0.5"] == 1.0
    assert found.fast_p["0.8"] == 0.5
    assert found.geometric_mean == pytest.approx(3.0**0.5)
    assert found.worst == 3.0


def test_what_was_not_confirmed_is_not_faster_however_fast_it_looked():
    assert score([entry("lucky", None, best_seen=1.4)]).fast_p["1"] == 0.0


def test_an_unknown_cost_is_unknown_in_all():
    assert score([entry("a", 2.0, cost_usd=1.0), entry("b", 2.0, cost_usd=None)]).cost_usd is None


def test_scores_agree_with_numpy_on_many_problems_and_repeats():
    """The same numbers computed another way, the bootstrap drawn in two nested loops."""
    numpy = pytest.importorskip("numpy")
    lot = random.Random(4)
    entries = []
    for problem in range(12):
        for _ in range(3):
            speedup = math.exp(lot.gauss(problem / 12, 0.3))
            second = speedup * math.exp(lot.gauss(0, 0.02))
            given = {"improved": speedup > 1.05, "best_seen": speedup, "accepted": lot.random() < 0.9}
            if not given["accepted"]:
                given["improved"] = False
            judged = {"second_speedup": second, "agrees": True} if given["improved"] else {}
            entries.append(entry(f"p{problem}", speedup if given["improved"] else None, **given, **judged))
    found = score(entries, seed=2)
    credits_ = numpy.array([max(1.0, one.second_speedup) if one.improved else 1.0 for one in entries]).reshape(12, 3)
    assert found.geometric_mean == pytest.approx(float(numpy.exp(numpy.log(credits_).mean())), rel=1e-12)
    speeds = numpy.array(
        [(one.second_speedup if one.improved else min(1.0, one.best_seen)) if one.accepted else 0.0 for one in entries]
    ).reshape(12, 3)
    for p in FAST_P:
        assert found.fast_p[f"{p:g}"] == pytest.approx(float((speeds > p).mean(axis=1).mean()))
    draw = numpy.random.default_rng(99)
    samples = []
    for _ in range(4000):
        rows = credits_[draw.integers(12, size=12)]
        samples.append(numpy.log(numpy.take_along_axis(rows, draw.integers(3, size=(12, 3)), axis=1)).mean())
    expected = numpy.exp(numpy.quantile(samples, [0.025, 0.975]))
    assert found.geometric_mean_ci95 == pytest.approx(tuple(expected), rel=0.02)


def test_a_suite_without_champions_scores_one():
    found = score([entry("a", None, accepted=False), entry("b", None)])
    assert found.geometric_mean == found.claimed_geometric_mean == 1.0
    assert found.geometric_mean_ci95 == (1.0, 1.0)
    assert found.worst is None
    assert found.fast_p["1"] == 0.0
    with pytest.raises(ValueError, match="no score of nothing"):
        score([])
