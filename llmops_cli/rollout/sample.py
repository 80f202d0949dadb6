"""How many requests a guardrail needs, and what so many of them can see."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

from llmops_cli.rollout.boundaries import benefit_limit
from llmops_cli.rollout.boundary_choice import ALWAYS_VALID, Boundaries
from llmops_cli.rollout.harm import harm_limit
from llmops_cli.rollout.model import COST, QUALITY, Decision, Guardrail
from llmops_cli.stats.power import Comparison, harm_bounds, non_inferiority_sample

__all__ = [
    "LEAST_EVENTS",
    "Risks",
    "canary_needed",
    "comparison",
    "decision_at",
    "detects",
    "gain_needed",
]

LEAST_EVENTS = 10
"""Expected bad requests on the canary, at the margin: the normal law needs them."""

_MOST = 1e15
"""More requests than that nobody has."""

_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Risks:
    """What one guardrail may risk at the end of one stage.

    Attributes:
        promote: of being taken for harmless while it harms by the margin.
        roll_back: of being taken for harmful while it is harmless.
        hold: of not being shown harmless while it is.
        miss: of not being sent back while it harms by the margin.
        boundaries: how these risks are spent over the looks of the stage.
    """

    promote: float
    roll_back: float
    hold: float
    miss: float
    boundaries: Boundaries = ALWAYS_VALID

    @property
    def promote_at_end(self) -> float:
        """What is left of the risk of going on for the last look, as if it were the only one."""
        return NormalDist().cdf(-benefit_limit(self.boundaries, self.promote))

    @classmethod
    def shared_out(cls, alpha: float, power: float, stages: int, guardrails: int) -> "Risks":
        """The risks of the whole rollout shared out by Bonferroni.

        Going on needs every guardrail, so its risk is shared among stages only
        (intersection-union); one guardrail is enough to go back or to hold, so those risks
        are shared among stages and guardrails.
        """
        looks = stages * guardrails
        return cls(
            promote=alpha / stages,
            roll_back=alpha / looks,
            hold=(1 - power) / looks,
            miss=1 - power,
        )


def canary_needed(guardrail: Guardrail, ratio: float, risks: Risks) -> int:
    """Requests on the new version that one guardrail needs.

    Users' requests hang together (design effect), and not every request carries a score or a
    duration (coverage).
    """
    needed = max(_shown(guardrail, ratio, risks), _least(guardrail))
    needed = _until_harm_shows(guardrail, needed, ratio, risks)
    return max(1, math.ceil(needed / guardrail.coverage))


def gain_needed(guardrail: Guardrail, gain: float, ratio: float, risks: Risks) -> int:
    """Requests on the new version that show a gain of that size to be one."""
    given = replace(comparison(guardrail, ratio, risks.promote_at_end), margin=gain)
    given = replace(given, variance_at_margin=None, control_weight=1.0)
    return math.ceil(non_inferiority_sample(given, 1 - risks.hold) / guardrail.coverage)


def _shown(guardrail: Guardrail, ratio: float, risks: Risks) -> float:
    return non_inferiority_sample(
        comparison(guardrail, ratio, risks.promote_at_end), 1 - risks.hold
    )


def _least(guardrail: Guardrail) -> float:
    events = LEAST_EVENTS * guardrail.design_effect / (guardrail.bad_share + guardrail.margin)
    return max(events, guardrail.least_requests)


def _until_harm_shows(guardrail: Guardrail, needed: float, ratio: float, risks: Risks) -> float:
    """The sample, or a larger one that sends a harm of the margin back with its power."""
    reach = NormalDist().inv_cdf(1 - risks.miss)
    # Harm is the difference itself, whatever the margin multiplies.
    harm = replace(comparison(guardrail, ratio, risks.roll_back), control_weight=1.0)
    spread = harm.spread_at_margin

    def shows(n: float) -> bool:
        limit = harm_limit(guardrail, n, ratio * n, risks.roll_back, risks.boundaries)
        return limit + reach * math.sqrt(spread / n) <= guardrail.margin

    if shows(needed):
        return needed
    low = high = needed
    while not shows(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:  # a thousandth of a sample is no matter
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def decision_at(
    guardrail: Guardrail, canary: int, ratio: float, risks: Risks, needed: int
) -> Decision:
    """When a stage with so many requests on the new version decides, and what it can see."""
    seen = canary * guardrail.coverage
    given = comparison(guardrail, ratio, risks.promote_at_end)
    promote, _ = harm_bounds(given, seen)
    limit = harm_limit(guardrail, seen, ratio * seen, risks.roll_back, risks.boundaries)
    spread = replace(given, control_weight=1.0).spread_at_margin
    normal = NormalDist()
    return Decision(
        guardrail=guardrail.name,
        canary_requests=needed,
        promote_below=promote,
        # Worse, but by less than the user minds, is no reason to go back.
        roll_back_above=max(limit, promote),
        detects=detects(guardrail, canary, ratio, risks),
        catches=normal.cdf((guardrail.margin - limit) / max(math.sqrt(spread / seen), 1e-300)),
        passes=normal.cdf(promote / max(math.sqrt(given.spread / seen), 1e-300)),
    )


def detects(guardrail: Guardrail, canary: int, ratio: float, risks: Risks) -> float | None:
    """The smallest margin that so many requests on the new version could be planned for.

    With it in place of the guardrail's own, a harmless change would be shown so, and one that
    harms by it sent back, with the risks of the plan.

    Args:
        guardrail: as the plan has it.
        canary: requests on the new version.
        ratio: control requests per one of them; may be infinite.
        risks: of the plan.

    Returns:
        In the unit of the guardrail's ``margin``; None where no harm is large enough.
    """
    seen, most = canary * guardrail.coverage, _largest(guardrail)
    limit = harm_limit(guardrail, seen, ratio * seen, risks.roll_back, risks.boundaries)
    reach = NormalDist().inv_cdf(1 - risks.miss)

    def seen_at(margin: float) -> bool:
        wanted = with_margin(guardrail, margin)
        harm = replace(comparison(wanted, ratio, risks.roll_back), control_weight=1.0)
        least = max(_least(wanted), _shown(wanted, ratio, risks))
        return seen >= least and limit + reach * math.sqrt(harm.spread_at_margin / seen) <= margin

    if not seen_at(most):
        return None
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if middle > 0 and seen_at(middle) else (middle, high)
    return high


def _largest(guardrail: Guardrail) -> float:
    if guardrail.name == COST:
        return 99.0
    return max(1 - guardrail.planned_share, 1e-9) * (1 - 1e-9)


def with_margin(guardrail: Guardrail, margin: float) -> Guardrail:
    """The same guardrail with another margin, in the unit of ``margin``."""
    planned, variance = guardrail.planned_share, guardrail.variance
    worse = min(planned + margin, 1.0)
    if guardrail.name == COST:
        at_margin = variance * (1 + margin) ** 2
    elif guardrail.binary:
        at_margin = max(variance, worse * (1 - worse))
    elif guardrail.name == QUALITY and 0 < planned < 1:
        # Scores near their ceiling vary more when they fall: as those of yes and no do.
        at_margin = variance * max(1.0, worse * (1 - worse) / (planned * (1 - planned)))
    else:
        at_margin = variance
    ratio = None if guardrail.ratio is None else 1 + margin / guardrail.bad_share
    return replace(guardrail, margin=margin, variance_at_margin=at_margin, ratio=ratio)


def comparison(guardrail: Guardrail, ratio: float, alpha: float) -> Comparison:
    """The comparison that a guardrail makes, with so many control requests per canary one."""
    return Comparison(
        variance=guardrail.variance * guardrail.design_effect,
        variance_at_margin=guardrail.variance_at_margin * guardrail.design_effect,
        margin=guardrail.margin,
        ratio=ratio,
        alpha=alpha,
        control_weight=guardrail.control_weight,
    )
