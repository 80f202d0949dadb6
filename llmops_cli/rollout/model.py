"""What a rollout plan holds: guardrails, decisions, stages, the plan."""

import math
from dataclasses import dataclass

from llmops_cli.rollout.boundary_choice import ALWAYS_VALID, Boundaries
from llmops_cli.rollout.policy import AS_EVER, Policy

__all__ = [
    "COST",
    "ERRORS",
    "LATENCY",
    "QUALITY",
    "SCHEMA",
    "Decision",
    "Goal",
    "Guardrail",
    "Plan",
    "Stage",
]

SCHEMA = "llmops.rollout-plan/1"

QUALITY = "quality"
LATENCY = "latency"
ERRORS = "errors"
COST = "cost"

DEFAULT_MARGINS = {QUALITY: 0.02, LATENCY: 1.10, ERRORS: 0.01}
"""A drop of the mean score, a ratio of p95 latencies, a rise of the error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """One quantity that must not get worse.

    Attributes:
        name: quality, latency, errors or cost.
        metric: what is measured, in words.
        baseline: its mean in the baseline log.
        margin: the smallest harm that matters, in the unit of ``baseline``.
        asked: the margin as the user gives it (for latency a ratio of p95).
        variance: of one request.
        variance_at_margin: of one request of a version that harms by the margin.
        design_effect: how much the grouping of requests by user adds to it.
        coverage: share of requests that carry it; scores are often sampled.
        threshold_s: the latency that counts as slow; None for other guardrails.
        ratio: where the margin is a ratio to what the new version is held against, that ratio;
            ``margin`` is then what it comes to at the planned level.
        unit_usd: for cost, what a request of the baseline log costs; costs are told in it.
        least_requests: on the new version, before the normal law judges it.
    """

    name: str
    metric: str
    baseline: float
    margin: float
    asked: float
    variance: float
    variance_at_margin: float
    design_effect: float
    coverage: float = 1.0
    threshold_s: float | None = None
    ratio: float | None = None
    unit_usd: float | None = None
    least_requests: int = 0

    @property
    def bounded(self) -> bool:
        """Whether a request is at most entirely bad; what it costs has no end."""
        return self.name != COST

    @property
    def control_weight(self) -> float:
        """What the margin multiplies the other version's level by: 1 unless it is a ratio."""
        return self.ratio or 1.0

    @property
    def worse_is_more(self) -> bool:
        """Whether harm is a rise (errors, slow requests) or a drop (quality)."""
        return self.name != QUALITY

    @property
    def bad_share(self) -> float:
        """Share of bad requests: errors, slow ones, or what the mean score lacks of 1."""
        return self.baseline if self.worse_is_more else 1 - self.baseline

    @property
    def planned_share(self) -> float:
        """The same as the plan takes it: more where bad requests are too few to count."""
        if not self.bounded:
            return self.bad_share
        planned = (1 - math.sqrt(max(0.0, 1 - 4 * self.variance))) / 2
        return max(planned, self.bad_share)

    @property
    def binary(self) -> bool:
        """Whether a request is either bad or not: nothing between varies as much."""
        return self.bounded and self.variance >= self.bad_share * (1 - self.bad_share) * (1 - 1e-6)

    @property
    def rare(self) -> bool:
        """Whether bad requests are too few in the log to know their share."""
        # The upper end for fewer than ten is far more; a variance over n - 1 is not.
        return self.planned_share > 1.1 * self.bad_share + 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """When one guardrail decides at the end of a stage, in observed harm.

    Attributes:
        guardrail: its name.
        canary_requests: requests on the new version it needs.
        promote_below: harm below which it is shown to be smaller than the margin.
        roll_back_above: harm above which the change is shown to be worse.
        detects: the smallest margin that the stage could be planned for as it is; None where
            no harm is large enough, and in plans that do not say.
        catches: chance that a harm of the margin goes back by the end of the stage.
        passes: chance that a harmless change is shown to be one at the end of the stage.
    """

    guardrail: str
    canary_requests: int
    promote_below: float
    roll_back_above: float
    detects: float | None = None
    catches: float | None = None
    passes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What an A/B stage has to show, beyond no harm.

    Attributes:
        guardrail: what gets better.
        gain: by how much, in the unit of its margin, for the stage to show it with its power.
        canary_requests: requests on the new version that this needs.
    """

    guardrail: str
    gain: float
    canary_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the rollout.

    Attributes:
        percent: share of traffic on the new version, in percent.
        compared_with: ``control`` beside it, or ``baseline`` before it where none is left.
        requests: requests of all traffic that the stage needs.
        canary_requests: those of them on the new version.
        duration_s: at the log's own rate of arrival, not shorter than the minimum.
        duration_low_s: at the upper end of that rate's interval.
        duration_high_s: at its lower end; None where that is zero.
        bottleneck: the guardrail that needs most.
        decisions: one per guardrail.
        maximum_s: how long it may last before the policy of the plan decides; None for no end.
        goal: of an A/B stage, which goes on only with a gain that is shown; None for others.
        shadow: whether the new version serves copies of ``percent`` of the requests and its
            answers reach nobody.
    """

    percent: float
    compared_with: str
    requests: int
    canary_requests: int
    duration_s: float
    duration_low_s: float
    duration_high_s: float | None
    bottleneck: str
    decisions: tuple[Decision, ...]
    maximum_s: float | None = None
    goal: Goal | None = None
    shadow: bool = False

    @property
    def key(self) -> float:
        """Its place among the stages: the share of users that meet the new version."""
        return 0.0 if self.shadow else self.percent

    @property
    def label(self) -> str:
        """As a reader names it."""
        return "shadow" if self.shadow else f"{self.percent:g} %"

    @property
    def control_per_canary(self) -> float | None:
        """Requests of the old version beside one of the new; None where none is left.

        A copy leaves the request to the old version as well.
        """
        share = self.percent / 100
        if self.shadow:
            return 1 / share
        return (1 - share) / share if share < 1 else None

    @property
    def cut_short(self) -> bool:
        """Whether it may not last as long as a guardrail needs."""
        needs = [item.canary_requests for item in self.decisions]
        needs += [self.goal.canary_requests] if self.goal else []
        return max(needs, default=0) > self.canary_requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole rollout, ready to be written as YAML.

    Attributes:
        baseline_calls: calls in the log the plan rests on.
        requests_per_hour: their rate of arrival.
        alpha: risk of the whole rollout, as asked.
        power: of the whole rollout, as asked.
        alpha_per_stage: what one stage may risk in going on.
        guardrails: what must not get worse.
        stages: in order, the last at 100 percent.
        schema: name and version of this document's shape.
        policy: what happens where the evidence does not decide, and after a harm.
        boundaries: how the risks are spent over the looks.
        shadow: a stage before the first, in which nobody meets the new version; None for none.
    """

    baseline_calls: int
    requests_per_hour: float
    alpha: float
    power: float
    alpha_per_stage: float
    guardrails: tuple[Guardrail, ...]
    stages: tuple[Stage, ...]
    schema: str = SCHEMA
    policy: Policy = AS_EVER
    boundaries: Boundaries = ALWAYS_VALID
    shadow: Stage | None = None

    @property
    def steps(self) -> tuple[Stage, ...]:
        """The shadow stage, where there is one, and the stages."""
        return self.stages if self.shadow is None else (self.shadow, *self.stages)

    @property
    def harm_alpha(self) -> float:
        """What one guardrail may risk in going back at one stage."""
        return self.alpha / (len(self.steps) * len(self.guardrails))

    @property
    def duration_s(self) -> float:
        """All stages, one after the other."""
        return sum(stage.duration_s for stage in self.steps)

    @property
    def duration_low_s(self) -> float:
        """At the upper end of the arrival rate."""
        return sum(stage.duration_low_s for stage in self.steps)

    @property
    def duration_high_s(self) -> float | None:
        """At its lower end; None where that is zero."""
        ends = [stage.duration_high_s for stage in self.steps]
        return None if None in ends else sum(end or 0.0 for end in ends)
