"""Scores against computations made another way."""

from __future__ import annotations

import math
import statistics

import pytest

from evals.scoring import (
    Entry,
    bootstrap_ci95,
    credit,
    fast_p,
    geometric_mean,
    intervals_agree,
    quantile,
    score,
)


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


def test_fast_p_counts_strictly_faster():
    assert fast_p([1.0, 1.0, 1.5, 2.0], 1.0) == 0.5
    assert fast_p([1.0, 1.0, 1.5, 2.0], 1.5) == 0.25
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


def test_score_of_a_mixed_suite():
    entries = [
        entry("twice", 2.0, second_speedup=1.9, agrees=True),
        entry("half again", 1.5, second_speedup=1.5, agrees=True),
        entry("noise", 1.01, improved=False),
        entry("nothing", None, accepted=False),
        entry("a lie", 8.0, second_speedup=1.1, agrees=False),
        entry("a broken one", 4.0, second_speedup=None, agrees=False),
    ]
    found = score(entries, seed=5)
    assert found.geometric_mean == pytest.approx((2.0 * 1.5 * 8.0 * 4.0) ** (1 / 6))
    assert found.second_geometric_mean == pytest.approx((1.9 * 1.5 * 1.1) ** (1 / 6))
    assert (found.problems, found.accepted, found.improved) == (6, 5, 4)
    assert found.fast_p["1"] == pytest.approx(4 / 6)
    assert found.fast_p["1.5"] == pytest.approx(3 / 6)
    assert found.fast_p["3"] == pytest.approx(2 / 6)
    assert (found.worst, found.worst_problem) == (1.01, "noise")
    assert (found.judged_twice, found.agreeing) == (4, 2)
    assert found.disagreeing == ("a lie", "a broken one")


def test_a_suite_without_champions_scores_one():
    found = score([entry("a", None, accepted=False), entry("b", None)])
    assert found.geometric_mean == found.second_geometric_mean == 1.0
    assert found.geometric_mean_ci95 == (1.0, 1.0)
    assert found.worst is None
    assert found.fast_p["1"] == 0.0
