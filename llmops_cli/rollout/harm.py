"""Evidence of harm in what was seen, against the boundary of a rule: 1 or more goes back."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundaries import (
    Kind,
    end_limit,
    harm_limits,
    limits_at_parts,
    parts_reached,
)
from llmops_cli.rollout.boundary_choice import ALWAYS_VALID, Boundaries
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.rule import Rule
from llmops_cli.stats.bernoulli_sequences import bernoulli_evidence

__all__ = [
    "EARLY",
    "LEAST_EVENTS",
    "NORMAL_FROM",
    "harm_evidence",
    "harm_limit",
    "rare_in_stage",
    "rule_evidence",
]

LEAST_EVENTS = 10.0
"""Expected bad requests on the new version, each user's counted together, before harm is tested:
below that the normal law is too eager."""

NORMAL_FROM = 50.0
"""Bad requests a stage must expect, users counted as above, for the normal law to judge it."""

EARLY = 0.2
"""Part of the risk for looks before there are enough events for the normal law: those are judged
by the binomial law."""

_ROUNDED = 1e-9

_MANY = 1e6
"""A control so many times as large knows its own level."""

_DEAREST = 100.0
"""A rise of the mean cost, in the baseline's, beyond which nobody looks."""

Floats = npt.NDArray[np.float64]


def rule_evidence(
    arms: Arms,
    guardrail: Guardrail,
    expected: Floats,
    rule: Rule,
    planned: float | None = None,
) -> Floats:
    """Evidence of harm by a rule, as a part of what goes back.

    Args:
        arms: what was seen, ``(..., T)``.
        guardrail: which one.
        expected: ``(T,)`` information at the looks, never falling.
        rule: boundary and risk.
        planned: information at the planned end; the last of ``expected`` where absent.
    """
    end = float(expected[-1]) if planned is None else planned
    if rule.harm_looks is None or rare_in_stage(guardrail, end):
        kind: Kind = "mixture" if rule.harm_looks else rule.harm
        known = expected if planned is None else np.array([planned])
        return harm_evidence(arms, guardrail, known, kind, rule.harm_alpha)
    return _spent(arms, guardrail, expected, end, rule)


def _spent(arms: Arms, guardrail: Guardrail, expected: Floats, end: float, rule: Rule) -> Floats:
    """Most of the risk over a few looks; the rest at all of them, and after the last as well."""
    progress = expected / end
    looks = parts_reached(progress, rule.harm_looks or 1)
    alpha = (1 - EARLY) * rule.harm_alpha
    over = bool(len(progress) and progress[-1] >= 1 - _ROUNDED)
    limits = limits_at_parts(rule.harm, progress, looks, alpha, over=over)
    found = _normal(arms, guardrail, limits, rule.harm)
    return np.maximum(found, _always(arms, guardrail, end, EARLY * rule.harm_alpha))


def _always(arms: Arms, guardrail: Guardrail, end: float, alpha: float) -> Floats:
    if guardrail.binary:
        return _exact(arms, guardrail, alpha)
    limits = harm_limits("mixture", arms.information, np.array([end]), alpha)
    return _normal(arms, guardrail, limits, "mixture")


def harm_evidence(
    arms: Arms, guardrail: Guardrail, expected: Floats, kind: Kind, alpha: float
) -> Floats:
    """Evidence of harm as a part of what goes back: at 1 or more it does.

    Where the plan expects too few bad requests for the normal law, the mixture is over exact
    binomial laws instead, which need no least number of events.
    """
    if kind == "mixture" and rare_in_stage(guardrail, float(expected[-1])):
        return _exact(arms, guardrail, alpha)
    if kind != "mixture":
        return _normal(arms, guardrail, harm_limits(kind, arms.information, expected, alpha), kind)
    limits = harm_limits(kind, arms.information, expected, (1 - EARLY) * alpha)
    found = _normal(arms, guardrail, limits, kind)
    if not guardrail.binary:
        return found
    # The plan may have expected more bad requests than come: they must not hide a disaster.
    return np.where(_enough(arms, guardrail), found, _exact(arms, guardrail, EARLY * alpha))


def _normal(arms: Arms, guardrail: Guardrail, limits: Floats, kind: Kind) -> Floats:
    part = arms.evidence_of_harm(guardrail) / limits
    return part if kind == "naive" else np.where(_enough(arms, guardrail), part, 0.0)


def _enough(arms: Arms, guardrail: Guardrail) -> npt.NDArray[np.bool_]:
    if not guardrail.bounded:
        return arms.treated.n >= guardrail.least_requests
    return arms.expected_bad() >= LEAST_EVENTS * guardrail.design_effect


@lru_cache(maxsize=4096)  # a plan asks again: for the sample, the decision and what it detects
def harm_limit(
    guardrail: Guardrail,
    treated: float,
    control: float,
    alpha: float,
    boundaries: Boundaries = ALWAYS_VALID,
) -> float:
    """The smallest observed harm that goes back when so many requests are in.

    Args:
        guardrail: at its planned level in the control.
        treated: requests on the new version that carry it, at the planned end of the stage.
        control: requests on the old one; may be infinite.
        alpha: one-sided risk of the stage.
        boundaries: by which it is told; of several looks this is the last.

    Returns:
        The harm; 1 where none does, and of costs a hundred.
    """
    other = min(control, _MANY * treated)
    low, high = 0.0, _worst(guardrail)
    for _ in range(3):
        harms = np.linspace(low, high, 129)
        arms = _as_seen(guardrail, harms, treated, other)
        expected = arms.information[:1]
        back = _at_the_end(arms, guardrail, expected, alpha, boundaries) >= 1
        if not back.any():
            return high
        first = int(back.argmax())
        low, high = float(harms[max(first - 1, 0)]), float(harms[first])
    return high


def _at_the_end(
    arms: Arms, guardrail: Guardrail, expected: Floats, alpha: float, boundaries: Boundaries
) -> Floats:
    if boundaries.harm == "mixture" or rare_in_stage(guardrail, float(expected[-1])):
        return harm_evidence(arms, guardrail, expected, "mixture", alpha)
    limit = end_limit(boundaries.harm, boundaries.harm_looks, (1 - EARLY) * alpha)
    found = _normal(arms, guardrail, np.array([limit]), boundaries.harm)
    return np.maximum(found, _always(arms, guardrail, float(expected[-1]), EARLY * alpha))


def _worst(guardrail: Guardrail) -> float:
    return 1.0 if guardrail.bounded else _DEAREST


def _as_seen(guardrail: Guardrail, harms: Floats, treated: float, control: float) -> Arms:
    share = guardrail.planned_share
    spread = guardrail.variance - share * (1 - share)  # of a graded score less than that of 0 and 1

    def sample(n: float, means: Floats) -> Sample:
        return Sample(np.full_like(means, n), n * means, n * (means + spread))

    same = np.full_like(harms, share)
    if not guardrail.bounded:
        # Whatever makes requests dearer makes all of them so.
        return Arms(_priced(guardrail, treated, share + harms), _priced(guardrail, control, same))
    return Arms(sample(treated, np.minimum(share + harms, 1.0)), sample(control, same))


def _priced(guardrail: Guardrail, n: float, means: Floats) -> Sample:
    squares = means**2 * (1 + guardrail.variance / guardrail.bad_share**2)
    return Sample(np.full_like(means, n), n * means, n * squares)


def rare_in_stage(guardrail: Guardrail, information: float) -> bool:
    """Whether a stage of that information is too short of bad requests for the normal law.

    So is any stage where the log had too few to know how many there are.
    """
    alike = information / guardrail.design_effect
    return guardrail.binary and (guardrail.rare or guardrail.planned_share * alike < NORMAL_FROM)


def _exact(arms: Arms, guardrail: Guardrail, alpha: float) -> Floats:
    # While nothing differs, each bad request is on the new version with its share of requests.
    share = arms.treated.n / np.maximum(arms.treated.n + arms.control.n, 1)
    share = np.clip(share, 1e-9, 1 - 1e-9)
    ratio = 1 + guardrail.margin / guardrail.planned_share
    worse = ratio * share / (ratio * share + 1 - share)
    # Users' requests count as many as they are worth. A levelled hour may owe a bad request.
    bad = np.maximum(arms.treated.total, 0) / guardrail.design_effect
    every = bad + np.maximum(arms.control.total, 0) / guardrail.design_effect
    # No mixture exceeds the alternative that fits best: where that falls short, it stands in.
    found = _best_ratio(bad, every, share) / math.log(1 / alpha)
    near = found >= 1
    # Shrunken counts are not whole, and the prior moves with the share: beta laws allow both.
    prior: Any = (np.ones_like(worse[near]), (1 - worse[near]) / worse[near])
    counts: tuple[Any, Any] = (bad[near], every[near])
    exact = bernoulli_evidence(*counts, share[near], prior=prior)
    found[near] = exact / math.log(1 / alpha)
    return found


def _best_ratio(bad: Floats, every: Floats, share: Floats) -> Floats:
    """Logarithm of the largest likelihood ratio, negative where the share seen is smaller."""
    from scipy.special import xlogy  # noqa: PLC0415 - scipy is slow to load

    seen = bad / np.maximum(every, 1e-300)
    ratio = xlogy(bad, seen / share) + xlogy(every - bad, (1 - seen) / (1 - share))
    return np.where(seen > share, ratio, -ratio)
