"""One model after the other until a judge accepts: replayed exactly, every tier touched is paid.

Where the judge draws lots (an assumed reliability), results are expectations, not simulations.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Served

__all__ = [
    "Ladder",
    "Sweep",
    "accept_chance",
    "logged_accept",
    "logged_scores",
    "replay",
    "right_answers",
    "sweep",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_RIGHT = 0.5
"""A graded answer counts as right from here on."""

_TWO = 2


@dataclass(frozen=True, slots=True)
class Ladder:
    """The models in the order in which they are asked, and what judging an answer takes.

    Attributes:
        order: indices of the models, the first asked first; each once.
        judge_cost_usd: US dollars per judged answer; the last model's answer is not judged.
        judge_latency_s: seconds per judged answer.
    """

    order: tuple[int, ...]
    judge_cost_usd: float = 0.0
    judge_latency_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a ladder of one step, or one that asks a model twice."""
        if len(self.order) < _TWO or len(set(self.order)) != len(self.order):
            raise LlmopsError(
                "tiers-bad-ladder",
                "a cascade asks two models or more, each of them once",
                hint="cheapest first: --cascade small,large",
                exit_code=ExitCode.USAGE,
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """``(n, k)`` of each request, were it to end at tier 1 .. k at the latest."""

    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None


def accept_chance(
    outcomes: Outcomes,
    ladder: Ladder,
    sensitivity: float | Floats,
    specificity: float | Floats,
) -> Floats:
    """``(n, k-1)`` chance that the judge accepts each answer but the last.

    Args:
        outcomes: the table.
        ladder: the models in order.
        sensitivity: chance that a right answer is accepted; one, or ``(k-1,)`` per tier.
        specificity: chance that a wrong one is rejected, likewise; errors are independent.

    Raises:
        LlmopsError: a rate outside [0, 1].
    """
    rates = np.append(sensitivity, specificity)
    if not ((rates >= 0) & (rates <= 1)).all():
        raise LlmopsError("tiers-bad-rate", "a judge's rates lie between 0 and 1")
    return np.where(right_answers(outcomes, ladder), sensitivity, 1 - np.asarray(specificity))


def right_answers(outcomes: Outcomes, ladder: Ladder) -> npt.NDArray[np.bool_]:
    """``(n, k-1)`` whether each answer but the last is right; a grade is from one half on."""
    return outcomes.quality[:, list(ladder.order[:-1])] >= _RIGHT


def logged_scores(outcomes: Outcomes, ladder: Ladder, name: str) -> Floats:
    """``(n, k-1)`` scores that a judge logged of each answer but the last.

    Raises:
        LlmopsError: no such score, one value per request where several answers are judged, or
            values that are missing.
    """
    found = dict(outcomes.scores).get(name)
    if found is None:
        known = ", ".join(name for name, _ in outcomes.scores) or "none"
        raise LlmopsError("tiers-no-score", f"no score {name!r}", hint=f"scores here: {known}")
    if found.ndim == 1 and len(ladder.order) > _TWO:
        raise LlmopsError(
            "tiers-one-score",
            f"score {name!r} has one value per request, but {len(ladder.order) - 1} answers of "
            "the cascade are judged",
            hint="a table with a row per answer has a score for each of them",
        )
    used = found[:, None] if found.ndim == 1 else found[:, list(ladder.order[:-1])]
    missing = int((~np.isfinite(used)).sum())
    if missing:
        raise LlmopsError("tiers-score-missing", f"score {name!r} lacks {missing} values")
    return used


def logged_accept(
    outcomes: Outcomes, ladder: Ladder, name: str, threshold: float = _RIGHT
) -> Floats:
    """``(n, k-1)`` 1 where the judge's logged score reaches the threshold, else 0.

    Raises:
        LlmopsError: as :func:`logged_scores`.
    """
    return (logged_scores(outcomes, ladder, name) >= threshold).astype(np.float64)


def replay(outcomes: Outcomes, ladder: Ladder, accept: Floats) -> Served:
    """What each request gets from a cascade.

    Args:
        outcomes: the table, every model of the ladder observed on every row.
        ladder: the models in order.
        accept: ``(n, k-1)`` chance that each answer but the last is accepted.

    Returns:
        Expected quality, cost and time: an escalated request has paid and waited for every
        model and judgement before.

    Raises:
        LlmopsError: chances of another shape or outside [0, 1].
    """
    if accept.shape != (len(outcomes), len(ladder.order) - 1):
        raise LlmopsError("tiers-bad-verdicts", "one verdict per request and answer but the last")
    if not ((accept >= 0) & (accept <= 1)).all():
        raise LlmopsError("tiers-bad-verdicts", "chances of acceptance lie between 0 and 1")
    ends = _ends(outcomes, ladder, accept)
    late = ends.latency_s
    return Served(ends.quality[:, -1], ends.cost_usd[:, -1], None if late is None else late[:, -1])


def _ends(outcomes: Outcomes, ladder: Ladder, accept: Floats) -> _Ends:
    order = list(ladder.order)
    going = np.asarray(np.cumprod(1 - accept, axis=1), np.float64)
    reached = np.column_stack([np.ones(len(accept)), going])
    quality = outcomes.quality[:, order]
    kept = np.cumsum(reached[:, :-1] * accept * quality[:, :-1], axis=1)
    kept = np.column_stack([np.zeros(len(accept)), kept]) + reached * quality
    late = None
    if outcomes.latency_s is not None:
        late = _spent(reached, outcomes.latency_s[:, order], ladder.judge_latency_s)
    return _Ends(kept, _spent(reached, outcomes.cost_usd[:, order], ladder.judge_cost_usd), late)


def _spent(reached: Floats, price: Floats, judging: float) -> Floats:
    """Expected spending of each request, were each tier the last: the last is not judged."""
    before = np.cumsum(reached[:, :-1] * (price[:, :-1] + judging), axis=1)
    return np.column_stack([np.zeros(len(price)), before]) + reached * price


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A cascade under judges of several reliabilities and caps on a request's cost.

    Attributes:
        reliabilities: ``(S,)`` chance that a verdict is right, whatever the truth.
        caps_usd: ``(C,)`` caps.
        quality: ``(S, C)`` mean quality.
        cost_usd: ``(S, C)`` mean US dollars of a request.
    """

    reliabilities: Floats
    caps_usd: Floats
    quality: Floats
    cost_usd: Floats


def sweep(
    outcomes: Outcomes,
    ladder: Ladder,
    reliabilities: Floats,
    caps_usd: Floats | None = None,
) -> Sweep:
    """Quality and cost for every reliability and cap, in expectation.

    Args:
        outcomes: the table.
        ladder: the models in order.
        reliabilities: ``(S,)`` in [0, 1].
        caps_usd: ``(C,)`` caps: a further model is not asked where the request would then have
            cost more, and the answer before it stands unjudged. The first is always asked. None
            is no cap.

    Source:
        RouterBench, routers/run_cascading_router.py: verdicts flipped with a probability,
        ``max_cost_per_response``.
    """
    caps = np.array([np.inf]) if caps_usd is None else np.asarray(caps_usd, np.float64)
    last = _last_affordable(outcomes, ladder, caps)
    shape = (len(reliabilities), len(caps))
    quality, cost = np.empty(shape), np.empty(shape)
    for at, rate in enumerate(np.asarray(reliabilities).tolist()):
        ends = _ends(outcomes, ladder, accept_chance(outcomes, ladder, rate, rate))
        quality[at] = ends.quality.ravel().take(last).mean(axis=0)
        cost[at] = ends.cost_usd.ravel().take(last).mean(axis=0)
    return Sweep(np.asarray(reliabilities, np.float64), caps, quality, cost)


def _last_affordable(outcomes: Outcomes, ladder: Ladder, caps: Floats) -> Codes:
    """``(n, C)`` index, into the flat table of rows and tiers, of the last tier within each cap."""
    price = outcomes.cost_usd[:, list(ladder.order)]
    total = _spent(np.ones_like(price), price, ladder.judge_cost_usd)
    within = [(total <= cap).sum(axis=1) for cap in caps.tolist()]
    start = price.shape[1] * np.arange(len(price))[:, None]
    return start + np.maximum(np.column_stack(within) - 1, 0)
