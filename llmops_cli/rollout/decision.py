"""PROMOTE, HOLD or ROLLBACK at every look of a stage: shared by rehearsal and real looks.

Pure functions of evidence: harm is tested at every look against a boundary that holds over all
of them; promotion needs every guardrail shown better than its margin at a look that may promote.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundaries import Kind, harm_limits, promotion_limits
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail
from llmops_cli.stats.bernoulli_sequences import bernoulli_evidence

__all__ = [
    "EARLY",
    "LEAST_EVENTS",
    "NORMAL_FROM",
    "Decisions",
    "Rule",
    "Verdicts",
    "combined",
    "decide",
    "harm_evidence",
    "harm_limit",
    "rare_in_stage",
]

LEAST_EVENTS = 10.0
"""Expected bad requests on the new version, each user's counted together, before harm is tested:
below that the normal law is too eager."""

NORMAL_FROM = 50.0
"""Bad requests a stage must expect, users counted as above, for the normal law to judge it."""

EARLY = 0.2
"""Part of the risk for looks before there are enough events for the normal law: those are judged
by the binomial law."""

_MANY = 1e6
"""A control so many times as large knows its own level."""

Floats = npt.NDArray[np.float64]


class Verdicts(IntEnum):
    """What a look says."""

    HOLD = 0
    PROMOTE = 1
    ROLLBACK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one stage decides.

    Attributes:
        harm: kind of the boundary of harm.
        harm_alpha: one-sided risk of going back, of one guardrail in one stage.
        promote_alpha: one-sided risk of going on, of one stage; None goes on at the end
            unless harm was found, as a rollout without a test of no harm does.
        promotion_looks: looks that may promote.
    """

    harm: Kind
    harm_alpha: float
    promote_alpha: float | None
    promotion_looks: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Per run and look.

    Attributes:
        verdict: ``(..., T)`` of :class:`Verdicts`.
        guardrail: ``(..., T)`` index of the one that decided or is furthest from deciding.
        evidence: ``(G, ..., T)`` harm over its limit: 1 or more rolls back.
        room: ``(G, ..., T)`` standard errors below the margin less those needed: 0 or more goes on.
    """

    verdict: npt.NDArray[np.int8]
    guardrail: npt.NDArray[np.int8]
    evidence: Floats
    room: Floats


def decide(
    seen: Sequence[Arms], guardrails: Sequence[Guardrail], expected: Sequence[Floats], rule: Rule
) -> Decisions:
    """Decide at every look of one stage.

    Args:
        seen: per guardrail what had been seen at each look of this stage, ``(..., T)``.
        guardrails: what must not get worse, in the same order.
        expected: per guardrail ``(T,)`` information expected at the looks.
        rule: boundaries and risks.
    """
    harms, rooms = list[Floats](), list[Floats]()
    for arms, guardrail, planned in zip(seen, guardrails, expected, strict=True):
        room = arms.room(guardrail)
        harms.append(harm_evidence(arms, guardrail, planned, rule.harm, rule.harm_alpha))
        rooms.append(_short_of(room, planned, rule))
    return combined(np.stack(harms), np.stack(rooms), tested=rule.promote_alpha is not None)


def combined(harm: Floats, room: Floats, *, tested: bool = True) -> Decisions:
    """One verdict of many guardrails.

    Args:
        harm: ``(G, ..., T)`` evidence of harm; 1 or more goes back.
        room: ``(G, ..., T)`` what is left of the margin; 0 or more goes on.
        tested: whether going on was tested at all.
    """
    back = harm >= 1
    if tested:
        # Worse, but by less than the user minds, is no reason to go back.
        back &= room < 0
    verdict = np.where(
        back.any(axis=0),
        Verdicts.ROLLBACK,
        np.where((room >= 0).all(axis=0), Verdicts.PROMOTE, Verdicts.HOLD),
    ).astype(np.int8)
    deciding = np.where(
        back.any(axis=0), np.where(back, harm, -1).argmax(axis=0), room.argmin(axis=0)
    )
    return Decisions(verdict, deciding.astype(np.int8), harm, room)


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
    return arms.expected_bad() >= LEAST_EVENTS * guardrail.design_effect


def harm_limit(guardrail: Guardrail, treated: float, control: float, alpha: float) -> float:
    """The smallest observed harm that goes back when so many requests are in.

    Args:
        guardrail: at its planned level in the control.
        treated: requests on the new version that carry it, at the planned end of the stage.
        control: requests on the old one; may be infinite.
        alpha: one-sided risk of the stage.

    Returns:
        The harm; 1 where none does.
    """
    other = min(control, _MANY * treated)
    low, high = 0.0, 1.0
    for _ in range(3):
        harms = np.linspace(low, high, 129)
        arms = _as_seen(guardrail, harms, treated, other)
        expected = arms.information[:1]
        back = harm_evidence(arms, guardrail, expected, "mixture", alpha) >= 1
        if not back.any():
            return 1.0
        first = int(back.argmax())
        low, high = float(harms[max(first - 1, 0)]), float(harms[first])
    return high


def _as_seen(guardrail: Guardrail, harms: Floats, treated: float, control: float) -> Arms:
    share = guardrail.planned_share
    spread = guardrail.variance - share * (1 - share)  # of a graded score less than that of 0 and 1

    def sample(n: float, means: Floats) -> Sample:
        return Sample(np.full_like(means, n), n * means, n * (means + spread))

    worse = np.minimum(share + harms, 1.0)
    return Arms(sample(treated, worse), sample(control, np.full_like(harms, share)))


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


def _short_of(room: Floats, expected: Floats, rule: Rule) -> Floats:
    if rule.promote_alpha is None:
        last = np.full(room.shape[-1], -np.inf)
        last[-1] = 0.0
        return np.broadcast_to(last, room.shape)
    return room - promotion_limits(expected, rule.promote_alpha, rule.promotion_looks)
