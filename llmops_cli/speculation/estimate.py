"""Tokens per step by depth of the draft, from what was logged, and how sure that is.

Requests differ in how well they are drafted for, and tokens of one request resemble each other:
requests are resampled whole. A shallower draft than the logged one takes more steps where
drafting is easy, so depths are weighted by the tokens of each request and not by its logged steps.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.speculation.model import Acceptance
from llmops_cli.stats.bootstrap import cluster_sums, percentiles, resampled_totals
from llmops_cli.stats.clustering import clustering, effective_share_interval
from llmops_cli.stats.intervals import Interval

__all__ = ["Tokens", "beta_shapes", "request_tokens", "tokens_per_step"]

Floats = npt.NDArray[np.float64]

_MOST_GROUPS = 2000
"""Of a longer log, requests are drawn in so many groups."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tokens:
    """Tokens per step at every depth.

    Attributes:
        value: (K + 1,) at depth 0, 1, ... K.
        drawn: (R, K + 1) of resampled requests; empty where nothing can be resampled.
        rates: (K,) acceptance of each position, given all before it.
        rate_intervals: of these; empty as ``drawn``.
        correlation: of acceptances within a request, 0 for none.
        level: of the intervals.
    """

    value: Floats
    drawn: Floats
    rates: Floats
    rate_intervals: tuple[Interval, ...]
    correlation: float
    level: float

    def interval(self, depth: int) -> Interval | None:
        """Of tokens per step at a depth; None where nothing can be resampled."""
        return percentiles(self.drawn[:, depth], self.level) if len(self.drawn) else None


def tokens_per_step(
    seen: Acceptance, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Tokens:
    """Estimate tokens per step at every depth up to the logged one.

    Args:
        seen: what was accepted.
        level: two-sided confidence.
        resamples: of requests.
        seed: of the generator.
    """
    shrunk, correlation = request_tokens(seen)
    value = _by_depth(_sums(seen, shrunk).sum(axis=0)[None], seen.positions)[0]
    drawn = np.empty((0, seen.positions + 1))
    intervals: tuple[Interval, ...] = ()
    if seen.sampled and len(seen) > 1:
        totals = _resampled(np.hstack([_sums(seen, shrunk), seen.accepted, seen.reached]),
                            resamples, seed)  # fmt: skip
        width = seen.positions + 2
        drawn = _by_depth(totals[:, :width], seen.positions)
        drawn = _never_certain(drawn, seen, level)
        intervals = _rate_intervals(totals[:, width:], seen, level)
    rates = _ratio(seen.accepted.sum(axis=0), seen.reached.sum(axis=0))
    return Tokens(
        value=value,
        drawn=drawn,
        rates=rates,
        rate_intervals=intervals,
        correlation=correlation,
        level=level,
    )


def request_tokens(seen: Acceptance) -> tuple[Floats, float]:
    """Tokens per step of each request at every depth, and how alike its acceptances are.

    A request of few steps says little about itself: its rates are drawn towards those of all
    requests as a beta-binomial law with the found correlation does.

    Returns:
        (G, K + 1) tokens per step, and the intraclass correlation.

    Source:
        Posterior mean of a beta-binomial rate with prior weight (1 - rho) / rho; rho by analysis
        of variance, :func:`llmops_cli.stats.clustering.clustering`.
    """
    before = np.column_stack([seen.steps, seen.accepted[:, :-1]])
    correlation = _correlation(seen.accepted.sum(axis=1), before.sum(axis=1))
    prior = (1 - correlation) / correlation if correlation > 0 else 1e12
    typical = _ratio(seen.accepted.sum(axis=0), before.sum(axis=0))
    rates = (seen.accepted + prior * typical) / (before + prior)
    found: Floats = np.ones((len(seen), seen.positions + 1))
    found[:, 1:] += np.cumsum(np.cumprod(rates, axis=1), axis=1)
    return found, correlation


def beta_shapes(tokens: Tokens) -> tuple[float, float] | None:
    """Shapes of the beta law of acceptance over requests; None where they do not differ."""
    if not 0 < tokens.correlation < 1 or not 0 < tokens.rates[0] < 1:
        return None
    weight = (1 - tokens.correlation) / tokens.correlation
    return float(tokens.rates[0] * weight), float((1 - tokens.rates[0]) * weight)


def _correlation(hits: Floats, trials: Floats) -> float:
    rows = trials > 0
    if rows.sum() < 2:  # noqa: PLR2004 - one request cannot differ from another
        return 0.0
    found = clustering(np.column_stack([hits[rows], trials[rows]]))
    return min(max(found.correlation, 0.0), 0.99)


def _sums(seen: Acceptance, shrunk: Floats) -> Floats:
    """(G, K + 2) tokens, logged steps, and the steps that each depth from 1 would have taken."""
    tokens = seen.tokens
    return np.column_stack([tokens, seen.steps, tokens[:, None] / shrunk[:, 1:]])


def _by_depth(totals: Floats, positions: int) -> Floats:
    """(R, K + 1): at the logged depth what was logged, at others by the ratio of their steps."""
    logged = totals[:, 0] / totals[:, 1]
    depths = logged[:, None] * totals[:, [-1]] / totals[:, 2 : positions + 2]
    # By construction no depth gives less than its predecessor, and none less than one token.
    return np.column_stack([np.ones(len(totals)), np.maximum(depths, 1.0)])


def _resampled(sums: Floats, resamples: int, seed: int) -> Floats:
    if len(sums) > _MOST_GROUPS:
        # Groups of whole requests vary as requests do, and thousands are enough to say how much.
        # Drawn into them at random: a log may alternate.
        order = np.random.default_rng(seed).permutation(len(sums))
        sums = cluster_sums(sums, order % _MOST_GROUPS)
    return resampled_totals(sums, resamples=resamples, seed=seed)


def _never_certain(drawn: Floats, seen: Acceptance, level: float) -> Floats:
    """Where everything or nothing was accepted, what so many requests leave possible.

    Resampling would then say that nothing varies.
    """
    hits, trials = seen.accepted.sum(), seen.reached.sum()
    if 0 < hits < trials:
        return drawn
    inside = effective_share_interval(float(hits > 0), float(len(seen)), level)
    edge = inside.low if hits else inside.high
    reach = np.cumsum(edge ** np.arange(1, seen.positions + 1))
    # Spread so that the ends of the interval are the estimate and that edge.
    outside, count = (1 - level) / 2, len(drawn)
    inner = (np.linspace(0, 1, count) - outside - 2 / count) / (level - 4 / count)
    spread = np.clip(inner, 0, 1)[:, None]
    other = np.concatenate([[1.0], 1 + reach])
    return drawn + spread * (other - drawn)


def _rate_intervals(totals: Floats, seen: Acceptance, level: float) -> tuple[Interval, ...]:
    rates = _ratio(totals[:, : seen.positions], totals[:, seen.positions :])
    return tuple(percentiles(rates[:, at], level) for at in range(seen.positions))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
