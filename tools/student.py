"""Student's t distribution, exactly and for any number of degrees of freedom. Pure."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

NORMAL_FROM = 1e5
"""Degrees of freedom from which Student's t is the normal distribution to five digits."""


@functools.lru_cache(maxsize=4096)
def student_quantile(confidence: float, freedom: float) -> float:
    """Half width, in standard errors, of the two-sided interval of this confidence for so many degrees of freedom."""
    tail = 1 - confidence
    if freedom >= NORMAL_FROM:
        return -NormalDist().inv_cdf(tail / 2)
    low, high = 0.0, 1.0
    while _two_tails(high, freedom) > tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _two_tails(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def _two_tails(t: float, freedom: float) -> float:
    """Probability that Student's t lies beyond ``t`` on either side."""
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised, by its continued fraction (Abramowitz and Stegun 26.5.8, in Lentz's way)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    total = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * total
