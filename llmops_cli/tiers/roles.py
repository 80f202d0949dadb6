"""Which tier each model belongs to: generalist, economy, specialist; and what says so.

Proposed from the outcomes where the user does not name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment_evidence import Shown
from llmops_cli.tiers.model import usage_error
from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["TIERS", "Role", "roles"]

Floats = npt.NDArray[np.float64]

GENERALIST, ECONOMY, SPECIALIST, NONE = "generalist", "economy", "specialist", "none"

TIERS = (GENERALIST, ECONOMY, SPECIALIST)
"""Leader in quality; speed and cost; best in a few task classes."""

_FEW = 0.5
"""A specialist leads in at most so large a share of the classes."""


@dataclass(frozen=True, slots=True)
class Role:
    """One model.

    Attributes:
        model: its name.
        tier: one of :data:`TIERS`, or ``none`` for a model that another one beats in both
            quality and cost.
        given: whether the user says so.
        leads: names of the classes in which its mean quality is highest.
        shown: how many of those lead over the generalist beyond chance.
        quality: mean over all requests.
        cost_usd: mean per request.
        p95_s: seconds that 95 % of its answers take at most; None where unknown.
        why: the evidence in words.
    """

    model: str
    tier: str
    given: bool
    leads: tuple[str, ...]
    shown: int
    quality: float
    cost_usd: float
    p95_s: float | None
    why: str


def roles(outcomes: Outcomes, known: Shown, said: Mapping[str, str]) -> tuple[Role, ...]:
    """The tier of every model, the best first.

    Args:
        outcomes: for the latencies.
        known: what they show by class and model.
        said: tiers by model, where the user names them.

    Raises:
        LlmopsError: ``tiers-unknown-model``, ``tiers-unknown-tier``.
    """
    _check(outcomes, said)
    quality, cost = _mean(known, known.quality), _mean(known, known.cost_usd)
    best = int(np.nanargmax(quality))
    leader = _leaders(known)
    found: list[Role] = []
    for place in np.argsort(-quality, kind="stable").tolist():
        name = outcomes.models[place]
        mine = np.flatnonzero(leader == place).tolist()
        tier, why = _proposed(place, best, (quality, cost), len(mine), len(outcomes.tasks))
        found.append(
            Role(
                model=name,
                tier=said.get(name, tier),
                given=name in said,
                leads=tuple(outcomes.tasks[klass] for klass in mine),
                shown=sum(known.low[k, place] > known.quality[k, best] for k in mine),
                quality=float(quality[place]),
                cost_usd=float(cost[place]),
                p95_s=_p95(outcomes, place),
                why="as you say" if name in said else why,
            )
        )
    return tuple(found)


def _check(outcomes: Outcomes, said: Mapping[str, str]) -> None:
    for name, tier in said.items():
        if name not in outcomes.models:
            names = ", ".join(outcomes.models)
            raise usage_error("tiers-unknown-model", f"there is no model '{name}'", f"of: {names}")
        if tier not in TIERS:
            raise usage_error(
                "tiers-unknown-tier", f"'{tier}' is not a tier", f"one of {', '.join(TIERS)}"
            )


def _mean(known: Shown, values: Floats) -> Floats:
    """Over all classes a model was seen in, by their share of requests."""
    seen = ~np.isnan(values)
    part = known.weight[:, None] * seen
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sum(part * np.where(seen, values, 0.0), axis=0) / part.sum(axis=0)


def _leaders(known: Shown) -> npt.NDArray[np.int64]:
    """``(K,)`` the model of the highest mean, the cheaper one of equals; -1 for nobody."""
    values = np.where(np.isnan(known.quality), -np.inf, known.quality)
    tied = values >= values.max(axis=1, keepdims=True)
    cost = np.where(tied & ~np.isnan(known.cost_usd), known.cost_usd, np.inf)
    return np.where(np.isfinite(values.max(axis=1)), np.argmin(cost, axis=1), -1)


def _proposed(
    place: int, best: int, of: tuple[Floats, Floats], leads: int, classes: int
) -> tuple[str, str]:
    quality, cost = of
    times = float(cost[best] / cost[place]) if cost[place] > 0 else float("inf")
    if place == best:
        return GENERALIST, f"the highest mean quality; leads in {leads} of {classes} classes"
    if leads and leads <= max(1, _FEW * classes) and classes > 1:
        return SPECIALIST, f"leads in {leads} of {classes} classes"
    better = (quality >= quality[place]) & (cost <= cost[place])
    better[place] = False
    if better.any() and bool(((quality > quality[place]) | (cost < cost[place]))[better].any()):
        return NONE, "another model is as good on average and no dearer"
    if times > 1:
        behind = 100 * float(quality[best] - quality[place])
        return ECONOMY, f"{times:.3g}x cheaper than the generalist, {behind:.1f} points behind"
    return NONE, "neither cheaper than the generalist nor better in some class"


def _p95(outcomes: Outcomes, place: int) -> float | None:
    if outcomes.latency_s is None:
        return None
    seconds = outcomes.latency_s[:, place]
    seconds = seconds[~np.isnan(seconds)]
    return float(np.quantile(seconds, 0.95)) if len(seconds) else None
