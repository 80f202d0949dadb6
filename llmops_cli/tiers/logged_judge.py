"""What a judge's logged verdicts make of a cascade, and what the same error rates would have made.

Rates alone suppose that the judge errs independently of which answers the later models get right.
The difference is what that supposition misses.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.joint_bootstrap import joint_intervals, resampling_groups
from llmops_cli.tiers.cascades import Ladder, accept_chance, logged_accept, replay, right_answers
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Estimate, require_complete

__all__ = ["LoggedJudge", "logged_judge"]

Floats = npt.NDArray[np.float64]

_METHODS = {
    "quality": "logged verdicts replayed",
    "cost_usd": "logged verdicts replayed, every model and judgement a request touched",
    "latency_s": "logged verdicts replayed, one model and judgement after the other",
    "quality_difference": "less the last model alone",
    "times_cheaper": "cost of the last model alone over that of the cascade",
    "correlation_of_errors": "quality less that of a judge of the same rates per tier whose "
    "errors are independent of the later models",
}


@dataclass(frozen=True, slots=True, eq=False)
class LoggedJudge:
    """A cascade as its judge would have run it.

    Attributes:
        sensitivity: ``(k-1,)`` share of each tier's right answers that the judge accepts; NaN
            where there is none.
        specificity: ``(k-1,)`` share of its wrong answers that the judge rejects.
        reached: ``(k,)`` share of requests that each tier answers or is asked for.
        estimates: quality, cost_usd, latency_s (NaN where nobody logged it), quality_difference,
            times_cheaper, correlation_of_errors.
    """

    sensitivity: Floats
    specificity: Floats
    reached: Floats
    estimates: tuple[Estimate, ...]

    def estimate(self, name: str) -> Estimate:
        """The figure of that name.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.estimates}[name]


def logged_judge(  # noqa: PLR0913 - the three settings of every bootstrap
    outcomes: Outcomes,
    ladder: Ladder,
    judge: str,
    *,
    threshold: float = 0.5,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> LoggedJudge:
    """Replay a cascade with the verdicts of the log.

    Args:
        outcomes: the table, every model observed on every row.
        ladder: the models in order.
        judge: name of the logged scores; a score from ``threshold`` on accepts the answer.
        threshold: of a verdict.
        level: two-sided confidence of each interval.
        resamples: of the cluster bootstrap, paired over all figures.
        seed: of the bootstrap.

    Raises:
        LlmopsError: an incomplete table, no such score, or values that are missing.
    """
    require_complete(outcomes)
    accept = logged_accept(outcomes, ladder, judge, threshold)
    right = right_answers(outcomes, ladder)
    rates = _share(accept, right), _share(1 - accept, ~right)
    as_logged = replay(outcomes, ladder, accept)
    chances = accept_chance(outcomes, ladder, *(np.nan_to_num(rate) for rate in rates))
    last, late = ladder.order[-1], as_logged.latency_s
    columns = [
        np.ones(len(outcomes)), as_logged.quality, as_logged.cost_usd,
        np.full(len(outcomes), np.nan) if late is None else late,
        outcomes.quality[:, last], outcomes.cost_usd[:, last],
        replay(outcomes, ladder, chances).quality,
    ]  # fmt: skip
    found = joint_intervals(
        cluster_sums(np.column_stack(columns), resampling_groups(outcomes.cluster, seed=seed)),
        _figures, level=level, resamples=resamples, seed=seed,
    )  # fmt: skip
    going = np.asarray((accept == 0).cumprod(axis=1).mean(axis=0), np.float64)
    estimates = [
        Estimate.of(name, found, at, method) for at, (name, method) in enumerate(_METHODS.items())
    ]
    return LoggedJudge(*rates, np.append(1.0, going), tuple(estimates))


def _share(hits: Floats, of: npt.NDArray[np.bool_]) -> Floats:
    """Share of hits per tier, among the answers that count."""
    counts = of.sum(axis=0)
    return np.where(counts > 0, (hits * of).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _figures(totals: Floats) -> Floats:
    means = totals / totals[:, :1]
    _, quality, cost, late, last, last_cost, independent = means.T
    cheaper = last_cost / np.where(cost > 0, cost, np.nan)
    return np.column_stack([quality, cost, late, quality - last, cheaper, quality - independent])
