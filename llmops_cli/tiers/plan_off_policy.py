"""A plan against a log that shows the chosen model alone: by propensities, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.report import Check, Column, Measure, Table
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.off_policy import (
    OffPolicy,
    OffPolicyParameters,
    OffPolicyValue,
    evaluate_off_policy,
)
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.plan import Limits, TierPlan
from llmops_cli.tiers.plan_held import UNKNOWN_ROOM, unseen_floors
from llmops_cli.tiers.plan_limits import budget_check
from llmops_cli.tiers.policies import select

__all__ = [
    "Logged",
    "logged_checks",
    "logged_class_floors",
    "logged_measures",
    "logged_table",
    "value_of_plan",
]

Floats = npt.NDArray[np.float64]

_METHOD = "doubly robust, ends of both intervals: never narrower than the truth allows"
_NEEDED = "more logged requests, or more exploration"


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """What plan and reference would have given on a log.

    Attributes:
        plan: the plan's value.
        base: the reference's.
        level: two-sided confidence.
    """

    plan: OffPolicy
    base: OffPolicy
    level: float


def value_of_plan(
    outcomes: Outcomes, share: Floats, reference: int, given: TierParameters
) -> Logged:
    """Both values.

    Args:
        outcomes: with the chosen model and its propensity.
        share: ``(K, m)`` part of each class that each model gets.
        reference: index of the model everything is held against.
        given: confidence and seed.

    Raises:
        LlmopsError: with the exit code of an undecided gate ``tiers-no-propensity``,
            ``tiers-no-support``, ``tiers-too-few-effective``.
    """
    asked = OffPolicyParameters(level=given.level, seed=given.seed)
    always = np.full(len(outcomes), reference, np.int64)
    return Logged(
        evaluate_off_policy(outcomes, share[outcomes.task], asked),
        evaluate_off_policy(outcomes, always, asked),
        given.level,
    )


def logged_measures(found: Logged) -> tuple[Measure, ...]:
    """Saving and loss, each from the outer ends of two intervals."""
    return (_saving(found), _loss(found), _effective(found))


def _saving(found: Logged) -> Measure:
    mine, theirs = found.plan.cost_usd.doubly_robust, found.base.cost_usd.doubly_robust
    low = _saved(mine.high, theirs.low)
    high = _saved(mine.low, theirs.high)
    return Measure(
        name="saving",
        label="cost saved against the reference",
        value=_saved(mine.value, theirs.value),
        unit="share",
        low=low,
        high=high,
        level=found.level,
        n=found.plan.rows,
        method=_METHOD,
    )


def _saved(paid: float | None, due: float | None) -> float | None:
    return None if paid is None or due is None or due <= 0 else 1 - paid / due


def _loss(found: Logged) -> Measure:
    mine, theirs = found.plan.quality.doubly_robust, found.base.quality.doubly_robust
    return Measure(
        name="quality_loss",
        label="quality lost against the reference",
        value=100 * (theirs.value - mine.value),
        unit="points",
        low=_lost(theirs.low, mine.high),
        high=_lost(theirs.high, mine.low),
        level=found.level,
        n=found.plan.rows,
        method=_METHOD,
    )


def _cost(found: Logged) -> Measure:
    paid = found.plan.cost_usd.doubly_robust
    return Measure(
        name="cost_usd_per_1000",
        label="cost of 1,000 requests",
        value=1000 * paid.value,
        unit="usd",
        low=None if paid.low is None else 1000 * paid.low,
        high=None if paid.high is None else 1000 * paid.high,
        level=found.level,
        n=found.plan.rows,
        method="doubly robust",
    )


def _lost(base: float | None, mine: float | None) -> float | None:
    return None if base is None or mine is None else 100 * (base - mine)


def _effective(found: Logged) -> Measure:
    return Measure(
        name="effective_rows",
        label="rows the log is worth to the plan",
        value=found.plan.effective_rows,
        unit="count",
        n=found.plan.rows,
        method="(sum w)^2 / sum w^2",
    )


def logged_checks(found: Logged, limits: Limits, given: TierParameters) -> Iterator[Check]:
    """The plan's floor over all requests, its budget, and the gates."""
    saving, loss, floor = _saving(found), _loss(found), limits.floor
    if limits.budget_usd_per_1000 is not None:
        yield budget_check(_cost(found), limits)
    if floor is not None:
        allowed = 100 * (1 - floor) * found.base.quality.doubly_robust.value
        yield Check.at_most("the floor holds", loss, allowed, needed=_NEEDED)
    if given.min_saving is not None:
        yield Check.at_least("min_saving", saving, given.min_saving, needed=_NEEDED)
    if given.max_quality_loss is not None:
        bound = 100 * given.max_quality_loss
        yield Check.at_most("max_quality_loss", loss, bound, needed=_NEEDED)


def logged_class_floors(
    outcomes: Outcomes, plan: TierPlan, share: Floats, reference: int, given: TierParameters
) -> tuple[Check, ...]:
    """The floors of the plan's classes; none where no class with a floor leaves the reference.

    Args:
        outcomes: as :func:`value_of_plan`.
        plan: as it was written.
        share: ``(K, m)`` part of each class that each model gets.
        reference: index of the model everything is held against.
        given: confidence and seed.
    """
    floors = {item.task: item.floor for item in plan.classes if item.floor is not None}
    asked = [
        (klass, floors[task])
        for klass, task in enumerate(outcomes.tasks)
        if task in floors and share[klass, reference] < 1 and (outcomes.task == klass).any()
    ]
    unseen = unseen_floors(plan, outcomes.tasks)
    if not asked and not unseen:
        return ()
    # All bounds hold together: Bonferroni over the classes.
    every = replace(given, level=1 - 2 * given.alpha / max(1, len(asked)))
    found = [
        _room(select(outcomes, outcomes.task == klass), share, reference, floor, every)
        for klass, floor in asked
    ]
    found += [UNKNOWN_ROOM for _ in unseen]
    value, low, high = (min(column) for column in zip(*found, strict=True))
    measure = Measure(
        name="above_class_floor",
        label="least quality above a class floor",
        value=100 * value,
        unit="points",
        low=100 * low,
        high=100 * high,
        n=len(found),
        method=f"{_METHOD}; Bonferroni over classes",
    )
    return (Check.at_least("the floor of every class holds", measure, 0, needed=_NEEDED),)


def _room(
    rows: Outcomes, share: Floats, reference: int, floor: float, given: TierParameters
) -> tuple[float, float, float]:
    """Quality above the floor in one class, with its bounds; all is possible without support."""
    try:
        found = value_of_plan(rows, share, reference, given)
    except LlmopsError:
        return UNKNOWN_ROOM
    mine, base = found.plan.quality.doubly_robust, found.base.quality.doubly_robust
    if mine.low is None or mine.high is None or base.low is None or base.high is None:
        return UNKNOWN_ROOM
    value = mine.value - floor * base.value
    return value, mine.low - floor * base.high, mine.high - floor * base.low


def logged_table(found: Logged) -> Table:
    """Every estimate of plan and reference."""
    kinds = (("quality", 1.0), ("cost_usd", 1000.0))
    return Table(
        name="off_policy",
        title="From the chosen models alone",
        columns=(
            Column(name="of", label="of"),
            Column(name="estimate", label="estimate"),
            Column(name="plan", label="plan"),
            Column(name="low", label="low"),
            Column(name="high", label="high"),
            Column(name="reference", label="reference"),
        ),
        rows=tuple(
            (
                "quality" if name == "quality" else "USD per 1,000",
                how.replace("_", " "),
                *_row(getattr(found.plan, name), getattr(found.base, name), how, scale),
            )
            for name, scale in kinds
            for how in ("ips", "snips", "doubly_robust")
        ),
        note=f"{100 * found.level:.0f} % intervals; the log is worth "
        f"{found.plan.effective_rows:,.0f} rows of the plan and "
        f"{found.base.effective_rows:,.0f} of the reference",
    )


def _row(
    mine: OffPolicyValue, theirs: OffPolicyValue, how: str, scale: float
) -> tuple[float | None, ...]:
    one, other = getattr(mine, how), getattr(theirs, how)
    ends = [None if end is None else scale * end for end in (one.low, one.high)]
    return (scale * one.value, *ends, scale * other.value)
