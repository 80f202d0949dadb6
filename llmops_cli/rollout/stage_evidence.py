"""What a state holds of one stage: both versions up to each window, and how much is planned."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail, Plan, Stage
from llmops_cli.rollout.observed import CANARY, CONTROL
from llmops_cli.rollout.state import State

__all__ = ["arms_of", "flat", "planned_information", "requests_seen"]

Floats = npt.NDArray[np.float64]


def arms_of(plan: Plan, state: State, stage: Stage, guardrail: Guardrail) -> Arms:
    """Both versions in a stage, up to each window; where no control is left, what was before."""
    seen = state.observed(stage.key)
    treated, control = (flat(seen.sample(v, guardrail.name)) for v in (CANARY, CONTROL))
    if stage.compared_with == "control":
        return Arms(treated, control)
    old = _log(plan, guardrail)
    for before in plan.stages:
        if before.percent < stage.percent:
            passed = flat(state.observed(before.percent).sample(CONTROL, guardrail.name))
            if len(passed.n):
                old += passed.between(-1, len(passed.n))
    nothing = np.zeros_like(treated.n)
    return Arms(treated, Sample(nothing, nothing, nothing) + old)


def flat(sample: Sample) -> Sample:
    """The one run that is seen."""
    return Sample(sample.n[0], sample.total[0], sample.squares[0])


def _log(plan: Plan, guardrail: Guardrail) -> Sample:
    """The baseline log as the plan remembers it."""
    n, mean = plan.baseline_calls * guardrail.coverage, guardrail.bad_share
    return Sample(
        np.array([n]), np.array([n * mean]), np.array([n * (guardrail.variance + mean**2)])
    )


def requests_seen(guardrails: Sequence[Guardrail], arms: Sequence[Arms]) -> Floats:
    """Requests on the new version: the metric that most of them carry tells."""
    each = [a.treated.n / g.coverage for a, g in zip(arms, guardrails, strict=True)]
    return np.max(np.stack(each), axis=0)


def planned_information(guardrail: Guardrail, stage: Stage, arms: Arms) -> float:
    """Information at the planned end of the stage."""
    treated = stage.canary_requests * guardrail.coverage
    beside = stage.control_per_canary
    control = float(arms.control.n.max(initial=1)) if beside is None else beside * treated
    return treated * control / (treated + control)
