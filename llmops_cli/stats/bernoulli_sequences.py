"""Bounds of a share that hold however often one looks, from counts alone.

A beta mixture of likelihood ratios against every candidate share. It needs how many succeeded
of how many, not their order, so parts add up and a look can be repeated. Exact at any size: a
handful of events is enough, where bounds by the normal law are too eager.
"""

import math

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = ["bernoulli_evidence", "bernoulli_interval", "bernoulli_path"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def bernoulli_evidence(
    successes: Counts, n: Counts, candidate: float | Floats, *, prior: tuple[float, float] = (1, 1)
) -> Floats:
    """Evidence that a share is larger than a candidate, at every look.

    Args:
        successes: ``(T,)`` successes so far at each look.
        n: ``(T,)`` trials so far at each look.
        candidate: the share to refute, strictly between 0 and 1; one, or ``(T,)``.
        prior: beta weights of the shares above the candidate.

    Returns:
        ``(T,)`` logarithms of the e-value. While the share is at most the candidate, they ever
        reach ``log(1 / alpha)`` with probability at most alpha. For "smaller", hand over
        failures and 1 - candidate.

    Raises:
        ValueError: counts that are not shares, or a candidate outside (0, 1).

    Source:
        Mixture likelihood ratio: Robbins (1970), Annals of Mathematical Statistics
        41:1397-1409; beta mixture cut at the candidate, which makes it one-sided: Howard,
        Ramdas, McAuliffe and Sekhon (2021), Annals of Statistics 49:1055-1080, section 3.
        Each ratio of a larger to the candidate share is a supermartingale for every share
        below the candidate too, so is their mixture.
    """
    from scipy.special import betaln, xlog1py, xlogy  # noqa: PLC0415 - scipy is slow to load

    share = np.asarray(candidate, dtype=np.float64)
    if not np.all((successes >= 0) & (successes <= n)):
        raise ValueError("successes are part of the trials")
    if not np.all((share > 0) & (share < 1)):
        raise ValueError("a candidate share lies between 0 and 1")
    a, b = (np.asarray(weight, dtype=np.float64) for weight in prior)
    hits, misses = a + successes, b + (n - successes)
    mixture = betaln(hits, misses) + _log_tail(hits, misses, share)
    mixture -= betaln(a, b) + _log_tail(a, b, share)
    null = xlogy(successes, share) + xlog1py(n - successes, -share)
    return np.asarray(mixture - null, dtype=np.float64)


def bernoulli_path(
    successes: Counts, n: Counts, *, level: float = 0.95, prior: tuple[float, float] = (1, 1)
) -> tuple[Floats, Floats]:
    """Bounds of the share at every look, each on its own (no running intersection).

    Args:
        successes: ``(T,)`` successes so far at each look.
        n: ``(T,)`` trials so far at each look.
        level: two-sided confidence over all time; each end alone has ``(1 + level) / 2``.
        prior: beta weights of successes and failures.

    Returns:
        ``(T,)`` lower and ``(T,)`` upper bounds.

    Raises:
        ValueError: as :func:`bernoulli_evidence`, or a level outside (0, 1).

    Source:
        As :func:`bernoulli_evidence`, inverted by bisection.
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    limit = math.log(2 / (1 - level))
    low = _refuted_below(successes, n, limit, prior)
    return low, 1 - _refuted_below(n - successes, n, limit, (prior[1], prior[0]))


def bernoulli_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Bounds of the share now, valid whenever "now" was chosen; see :func:`bernoulli_path`."""
    low, high = bernoulli_path(np.array([successes]), np.array([n]), level=level)
    return Interval(float(low[0]), float(high[0]))


def _refuted_below(
    successes: Counts, n: Counts, limit: float, prior: tuple[float, float]
) -> Floats:
    low = np.zeros(len(n))
    high = np.clip(successes / np.maximum(n, 1), 1e-12, 1 - 1e-12)
    none = bernoulli_evidence(successes, n, np.full(len(n), 1e-12), prior=prior) < limit
    for _ in range(50):
        middle = (low + high) / 2
        refuted = bernoulli_evidence(successes, n, np.maximum(middle, 1e-12), prior=prior) >= limit
        low, high = np.where(refuted, middle, low), np.where(refuted, high, middle)
    return np.where(none, 0.0, low)


def _log_tail(a: Floats, b: Floats, share: Floats) -> Floats:
    """Logarithm of the chance that a beta variable exceeds a share.

    Where it underflows, its leading term bounds it from below: evidence is only understated.
    """
    from scipy.special import betaincc, betaln, xlog1py, xlogy  # noqa: PLC0415 - as above

    least = xlogy(a, share) + xlog1py(b, -share) - betaln(a, b) - np.log(a + b)
    with np.errstate(divide="ignore"):
        exact = np.log(np.asarray(betaincc(a, b, share)))
    return np.where(np.isfinite(exact), exact, least)
