"""Where a guardrail stands at a look: its harm, between bounds, against its margin."""

import math
from dataclasses import dataclass

import numpy as np

from llmops_cli.rollout.boundaries import benefit_limit, harm_limits
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.harm import EARLY
from llmops_cli.rollout.model import Guardrail, Plan, Stage
from llmops_cli.rollout.stage_evidence import planned_information

__all__ = ["Standing", "standing_of"]

_MOST = 1000.0
"""Ratios above a thousand are told as that."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one guardrail stands at the last window.

    Attributes:
        guardrail: its name.
        harm: how much worse the new version is, as observed.
        low: lower bound of the harm, valid however often one looks.
        high: upper bound of the harm at this look.
        margin: the harm that matters.
        evidence: of harm, as a part of what goes back.
        treated: requests on the new version that carry the metric.
        control: on what it is held against.
    """

    guardrail: str
    harm: float
    low: float
    high: float
    margin: float
    evidence: float
    treated: int
    control: int


def standing_of(
    arms: Arms, guardrail: Guardrail, plan: Plan, stage: Stage, evidence: float
) -> Standing:
    """Where a guardrail stands, from what both versions have shown and the evidence of harm."""
    planned = np.array([planned_information(guardrail, stage, arms)])
    information = arms.information[-1:]
    # Where the risk is spent over a few looks, a part of it is left for all the others.
    alpha = plan.harm_alpha * (1 if plan.boundaries.harm == "mixture" else EARLY)
    limit = float(harm_limits("mixture", information, planned, alpha)[0])
    needed = benefit_limit(plan.boundaries, plan.alpha_per_stage)
    harm, high, margin = (float(np.ravel(part)[-1]) for part in arms.told(guardrail, needed))
    reach = limit * float(arms.error_of_harm(guardrail)[-1])
    # A ratio is told in parts of the control's level, and so is its lower bound.
    unit = float(arms.control.mean[-1]) if guardrail.ratio is not None else 1.0
    low = (float(arms.harm[-1]) - reach) / unit if unit > 0 else -1.0
    most = 1.0 if guardrail.bounded and guardrail.ratio is None else _MOST
    if not math.isfinite(harm):
        harm, low = 0.0, -1.0
    return Standing(
        guardrail=guardrail.name,
        harm=harm,
        # Where the binomial law decides, the normal bound may not say more than it does.
        low=max(-1.0, min(low, 0.0) if evidence < 1 else max(low, 0.0)),
        high=min(most, high),
        margin=margin,
        evidence=evidence,
        treated=int(arms.treated.n[-1]),
        control=int(arms.control.n[-1]),
    )
