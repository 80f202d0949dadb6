"""What reads do to the time to the first token, by regression on the log's own times.

``ttft = a + b x uncached tokens + c x cached tokens``, model by model, so that a policy that reads
more is faster by ``(b - c)`` for each token more. Where the log has no such times, or nothing in
it varies, there is no figure: a vendor's percentage is another machine's.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Measure

__all__ = ["Effect", "Fit", "Timed", "effect", "fit"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_FEWEST_CALLS = 30
_FEWEST_CLUSTERS = 10
_ENTANGLED = 0.99
_HUBER = 1.345
_ROUNDS = 50
_THOUSAND = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """Calls as the log timed and billed them.

    ``ttft_s`` is NaN where it was not logged; ``billed`` is ``(calls, 4)`` or more tokens by
    class, and counts only where ``counted``; ``cluster`` is what hangs together.
    """

    ttft_s: Floats
    billed: Ints
    counted: Mask
    model: npt.NDArray[np.object_]
    cluster: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Seconds at no tokens, per 1,000 uncached and per 1,000 cached ones, and their covariance."""

    model: str
    calls: int
    clusters: int
    seconds: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class Effect:
    """The change of the mean time to the first token, or why there is none."""

    measures: tuple[Measure, ...]
    reason: str = ""


def effect(timed: Timed, policy_reads: Ints, baseline_reads: Ints, *, level: float = 0.9) -> Effect:
    """Seconds by which the mean time to the first token changes under a policy.

    Args:
        timed: the log's own times.
        policy_reads: tokens each call reads under the policy.
        baseline_reads: tokens each call reads under what it is held against.
        level: two-sided confidence.

    Source:
        Huber's M-estimate with a covariance clustered by conversation: Huber (1981), Robust
        Statistics, chapter 7; Cameron and Miller (2015), Journal of Human Resources 50:317-372.
    """
    usable = timed.counted & np.isfinite(timed.ttft_s)
    if not usable.any():
        return Effect((), "no call logs ttft_s beside its usage")
    if not np.ptp(timed.ttft_s[usable]) > 0:
        return Effect((), "every logged ttft_s is the same")
    tried = [
        fit(timed, str(model), usable & (timed.model == model))
        for model in sorted(set(timed.model[usable].tolist()))
    ]
    fits = [found for found, _ in tried if found is not None]
    if not fits:
        return Effect((), tried[0][1])
    more = (policy_reads - baseline_reads) / _THOUSAND
    measures = [_change(timed, fits, more, level), *(_slope(item, level) for item in fits)]
    return Effect(tuple(measures))


def fit(timed: Timed, model: str, mine: Mask) -> tuple[Fit | None, str]:
    """The regression of one model's calls, or why it cannot be done."""
    y = timed.ttft_s[mine]
    cached = timed.billed[mine, 1] / _THOUSAND
    uncached = (timed.billed[mine, 0] + timed.billed[mine, 2:4].sum(axis=1)) / _THOUSAND
    cluster = np.unique(timed.cluster[mine], return_inverse=True)[1]
    groups = int(cluster.max(initial=-1)) + 1
    if why := _unfit(cached, uncached, groups):
        return None, f"{model}: {why}"
    columns = np.column_stack([np.ones_like(y), uncached, cached])
    seconds, residual, scale = _robust(columns, y)
    covariance = _covariance(columns, residual, scale, (cluster, groups))
    return Fit(model, len(y), groups, seconds, covariance), ""


def _unfit(cached: Floats, uncached: Floats, groups: int) -> str:
    if len(cached) < _FEWEST_CALLS or groups < _FEWEST_CLUSTERS:
        return f"{len(cached)} timed calls of {groups} conversations are too few for a regression"
    if not (np.ptp(cached) > 0 and np.ptp(uncached) > 0):
        return "cached or uncached tokens never vary, so nothing tells their effects apart"
    if abs(float(np.corrcoef(cached, uncached)[0, 1])) > _ENTANGLED:
        return "cached and uncached tokens only vary together"
    return ""


def _robust(columns: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    # Reweighted least squares: a stalled request counts, but not for its length.
    weight = np.ones_like(y)
    seconds = np.zeros(columns.shape[1])
    scale = 1.0
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        solved = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
        new: Floats = solved.astype(np.float64)
        residual = y - columns @ new
        scale = max(float(np.median(np.abs(residual))) / 0.6745, 1e-9)
        weight = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(residual), 1e-12))
        done = np.allclose(new, seconds, rtol=1e-8, atol=1e-10)
        seconds = new
        if done:
            break
    return seconds, y - columns @ seconds, scale


def _covariance(
    columns: Floats, residual: Floats, scale: float, clusters: tuple[Ints, int]
) -> Floats:
    cluster, groups = clusters
    limit = _HUBER * scale
    inside = np.abs(residual) <= limit
    bread = np.linalg.pinv((columns * inside[:, None]).T @ columns)
    scores = np.zeros((groups, columns.shape[1]))
    np.add.at(scores, cluster, columns * np.clip(residual, -limit, limit)[:, None])
    small = groups / (groups - 1)
    return small * bread @ (scores.T @ scores) @ bread


def _change(timed: Timed, fits: list[Fit], more: Floats, level: float) -> Measure:
    # Models are fitted apart, so their errors are independent.
    value, variance, calls = 0.0, 0.0, 0
    for item in fits:
        mine = timed.model == item.model
        total = float(more[mine].sum())
        value += total * _gain(item)
        variance += total**2 * _gain_variance(item)
        calls += int(mine.sum())
    reach = _quantile(level, min(item.clusters for item in fits)) * variance**0.5
    return Measure(
        name="ttft_change_s",
        value=value / calls,
        unit="s",
        low=(value - reach) / calls,
        high=(value + reach) / calls,
        level=level,
        n=sum(item.calls for item in fits),
        method="robust regression on the log's own times, clustered by conversation",
        label="change of the mean time to first token",
    )


def _slope(item: Fit, level: float) -> Measure:
    reach = _quantile(level, item.clusters) * _gain_variance(item) ** 0.5
    value = _gain(item)
    return Measure(
        name=f"ttft_per_1k_read_s_{item.model}",
        value=value,
        unit="s",
        low=value - reach,
        high=value + reach,
        level=level,
        n=item.calls,
        method="robust regression on the log's own times, clustered by conversation",
        label=f"time to first token per 1,000 tokens read instead of fresh, {item.model}",
    )


def _gain(item: Fit) -> float:
    return float(item.seconds[2] - item.seconds[1])


def _gain_variance(item: Fit) -> float:
    contrast = np.array([0.0, -1.0, 1.0])
    return float(contrast @ item.covariance @ contrast)


def _quantile(level: float, clusters: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy is slow to load

    return float(stdtrit(clusters - 1, (1 + level) / 2))
