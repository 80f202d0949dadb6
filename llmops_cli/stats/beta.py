"""The beta law and Student's quantile, in plain Python.

Every report needs a handful of them, and importing scipy for those takes longer than the rest of
a run. Whole arrays still go through :mod:`scipy.special`.
"""

import math
from functools import lru_cache

__all__ = ["beta_below", "beta_quantile", "student_quantile"]

_TINY = 1e-300
_CLOSE = 1e-16
_MOST_TERMS = 200_000
_MOST_STEPS = 200
_SERIES_FROM = 15.0


def beta_below(a: float, b: float, x: float) -> float:
    """Probability that a beta variable lies at or below ``x``.

    Args:
        a: first shape, above 0.
        b: second shape, above 0.
        x: between 0 and 1.

    Raises:
        ValueError: shapes that are not positive and finite, or an ``x`` outside [0, 1].

    Source:
        The regularised incomplete beta function by its continued fraction, DLMF 8.17.22.
    """
    _check(a, b, x)
    if x in {0.0, 1.0}:
        return x
    # The fraction converges fast below about the mean; above it the mirrored one does.
    if x > (a + 1) / (a + b + 2):
        return 1 - _density_at(b, a, 1 - x) * _fraction(b, a, 1 - x) / b
    return _density_at(a, b, x) * _fraction(a, b, x) / a


@lru_cache(maxsize=4096)  # a report asks for the same few again and again
def beta_quantile(a: float, b: float, share: float) -> float:
    """The value that a beta variable stays at or below with probability ``share``.

    Args:
        a: first shape, above 0.
        b: second shape, above 0.
        share: between 0 and 1.

    Raises:
        ValueError: as :func:`beta_below`.

    Source:
        Newton's method on :func:`beta_below`, held inside a bracket that every step narrows.
    """
    _check(a, b, share)
    if share in {0.0, 1.0}:
        return share
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(_MOST_STEPS):
        off = beta_below(a, b, x) - share
        low, high = (low, x) if off > 0 else (x, high)
        slope = _density_at(a, b, x) / (x * (1 - x))
        wanted = x - off / slope if slope > 0 else -1.0
        # Where Newton leaves the bracket, halve it.
        after = wanted if low < wanted < high else (low + high) / 2
        if abs(after - x) <= 2 * _CLOSE * min(x, 1 - x) or after in {low, high}:
            return after
        x = after
    return x


def student_quantile(freedom: float, share: float) -> float:
    """The value that Student's t stays at or below with probability ``share``.

    Args:
        freedom: degrees of freedom, above 0.
        share: strictly between 0 and 1.

    Raises:
        ValueError: a share or degrees of freedom that are none.

    Source:
        t^2 / (freedom + t^2) follows the beta law of shapes 1/2 and freedom / 2: DLMF 8.17(iii).
    """
    if not 0 < share < 1:
        raise ValueError(f"a quantile needs a share between 0 and 1, not {share}")
    inside = beta_quantile(0.5, freedom / 2, abs(2 * share - 1))
    return math.copysign(math.sqrt(freedom * inside / (1 - inside)), share - 0.5)


def _check(a: float, b: float, x: float) -> None:
    if not (0 < a < math.inf and 0 < b < math.inf):
        raise ValueError(f"the shapes of a beta law are positive, not {a} and {b}")
    if not 0 <= x <= 1:
        raise ValueError(f"{x} does not lie between 0 and 1")


def _density_at(a: float, b: float, x: float) -> float:
    """x^a (1 - x)^b / B(a, b), without the logarithms of large factorials that would cancel."""
    mean, size, (of_both, of_a, of_b) = _law(a, b)
    away = a * _log_ratio(x, mean, x - mean) + b * _log_ratio(1 - x, 1 - mean, mean - x)
    return size * math.exp(away + of_both - of_a - of_b)


@lru_cache(maxsize=16)  # one law is asked at many places, and then no more
def _law(a: float, b: float) -> tuple[float, float, tuple[float, float, float]]:
    """What the density needs at any place: the mean, its size, and corrections to Stirling's."""
    n = a + b
    size = math.sqrt(a * b / (2 * math.pi * n))
    return a / n, size, (_stirling(n), _stirling(a), _stirling(b))


def _log_ratio(one: float, other: float, more: float) -> float:
    # Near each other the two logarithms would cancel; so would 1 - x less 1 - mean.
    return math.log1p(more / other) if abs(more) < other / 2 else math.log(one / other)


def _stirling(z: float) -> float:
    """Log gamma(z) less Stirling's formula for it."""
    if z < _SERIES_FROM:
        return math.lgamma(z) - (z - 0.5) * math.log(z) + z - math.log(2 * math.pi) / 2
    square = z * z
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square)
            / square) / z  # fmt: skip


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction by Lentz's method, as modified by Thompson and Barnett (1986)."""
    # Written out, without a function for what recurs: this loop is most of a small report.
    tiny, close = _TINY, 3 * _CLOSE
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if d > tiny or d < -tiny else tiny)
    value = d
    for m in range(1, _MOST_TERMS):
        last = a + 2 * m
        even = m * (b - m) * x / ((last - 1) * last)
        d = 1 + even * d
        d = 1 / (d if d > tiny or d < -tiny else tiny)
        c = 1 + even / c
        c = c if c > tiny or c < -tiny else tiny
        value *= c * d
        odd = -(a + m) * (a + b + m) * x / (last * (last + 1))
        d = 1 + odd * d
        d = 1 / (d if d > tiny or d < -tiny else tiny)
        c = 1 + odd / c
        c = c if c > tiny or c < -tiny else tiny
        step = c * d
        value *= step
        if -close < step - 1 < close:
            break
    return value
