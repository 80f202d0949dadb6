"""What a rollout plan is asked and what it holds: parameters, guardrails, stages, the plan."""

import math
from dataclasses import dataclass
from itertools import pairwise

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = [
    "ERRORS",
    "LATENCY",
    "QUALITY",
    "SCHEMA",
    "Decision",
    "Guardrail",
    "Plan",
    "RolloutParameters",
    "Stage",
]

SCHEMA = "llmops.rollout-plan/1"

QUALITY = "quality"
LATENCY = "latency"
ERRORS = "errors"

DEFAULT_MARGINS = {QUALITY: 0.02, LATENCY: 1.10, ERRORS: 0.01}
"""A drop of the mean score, a ratio of p95 latencies, a rise of the error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutParameters:
    """The question.

    Attributes:
        stages: percent of traffic on the new version, rising to 100.
        quality_margin: the smallest drop of the mean evaluation score that matters; None for
            the default where the log carries scores.
        latency_margin: the smallest ratio of p95 latencies that matters, above 1.
        error_margin: the smallest rise of the error rate that matters, as a share.
        alpha: one-sided risk, over all stages, of going on with a change that harms by a
            margin; and, apart from that, of going back with a harmless one.
        power: chance that a harmless change passes every guardrail of every stage.
        minimum_stage_s: no stage is shorter than this.
        max_days: gate on the whole duration; None for no gate.
        judge_sensitivity: of the judge behind the scores, on what is good; 1 for no judge.
        judge_specificity: on what is bad.
    """

    stages: tuple[float, ...] = (5, 10, 25, 50, 100)
    quality_margin: float | None = None
    latency_margin: float | None = None
    error_margin: float | None = None
    alpha: float = 0.05
    power: float = 0.80
    minimum_stage_s: float = 3600.0
    max_days: float | None = None
    judge_sensitivity: float = 1.0
    judge_specificity: float = 1.0

    @property
    def judge_knows(self) -> float:
        """How much of a true drop of quality the judge's scores show: se + sp - 1."""
        return self.judge_sensitivity + self.judge_specificity - 1

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what no plan can meet."""
        rising = all(a < b for a, b in pairwise(self.stages))
        if not (self.stages and rising and self.stages[0] > 0 and self.stages[-1] == 100):  # noqa: PLR2004 - percent
            raise _usage("rollout-bad-stages", "stages rise from above 0 to 100", "5,10,25,50,100")
        for name, low, high, hint in (
            ("quality_margin", 0.0, 1.0, "a drop of two points on a scale of 0 to 1 is 0.02"),
            ("latency_margin", 1.0, 100.0, "ten percent slower is 1.10"),
            ("error_margin", 0.0, 1.0, "one percentage point is 0.01"),
            ("alpha", 0.0, 0.5, "five percent is 0.05"),
            ("power", 0.0, 1.0, "eighty percent is 0.8"),
            ("max_days", 0.0, 36_500.0, "two weeks are 14"),
        ):
            value = getattr(self, name)
            if value is not None and not low < value < high:
                option = name.replace("_", "-")
                raise _usage(
                    f"rollout-bad-{option}",
                    f"--{option} {value:g} does not lie between {low:g} and {high:g}",
                    hint,
                )
        judge = (self.judge_sensitivity, self.judge_specificity)
        if not (all(0 < rate <= 1 for rate in judge) and self.judge_knows > 0):
            raise _usage(
                "rollout-bad-judge",
                "a judge's sensitivity and specificity lie between 0 and 1 and exceed 1 together",
                "llmops judge-eval measures both",
            )
        if not self.minimum_stage_s >= 0:
            raise _usage("rollout-bad-minimum", "a stage lasts 0 hours or more", "one hour is 1")


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """One quantity that must not get worse.

    Attributes:
        name: quality, latency or errors.
        metric: what is measured, in words.
        baseline: its mean in the baseline log.
        margin: the smallest harm that matters, in the unit of ``baseline``.
        asked: the margin as the user gives it (for latency a ratio of p95).
        variance: of one request.
        variance_at_margin: of one request of a version that harms by the margin.
        design_effect: how much the grouping of requests by user adds to it.
        coverage: share of requests that carry it; scores are often sampled.
        threshold_s: the latency that counts as slow; None for other guardrails.
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
        planned = (1 - math.sqrt(max(0.0, 1 - 4 * self.variance))) / 2
        return max(planned, self.bad_share)

    @property
    def binary(self) -> bool:
        """Whether a request is either bad or not: nothing between varies as much."""
        return self.variance >= self.bad_share * (1 - self.bad_share) * (1 - 1e-6)

    @property
    def rare(self) -> bool:
        """Whether bad requests are too few in the log to know their share."""
        return self.planned_share > self.bad_share + 1e-9  # not a rounding error


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """When one guardrail decides at the end of a stage, in observed harm.

    Attributes:
        guardrail: its name.
        canary_requests: requests on the new version it needs.
        promote_below: harm below which it is shown to be smaller than the margin.
        roll_back_above: harm above which the change is shown to be worse.
    """

    guardrail: str
    canary_requests: int
    promote_below: float
    roll_back_above: float


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
    """

    baseline_calls: int
    requests_per_hour: float
    alpha: float
    power: float
    alpha_per_stage: float
    guardrails: tuple[Guardrail, ...]
    stages: tuple[Stage, ...]
    schema: str = SCHEMA

    @property
    def duration_s(self) -> float:
        """All stages, one after the other."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def duration_low_s(self) -> float:
        """At the upper end of the arrival rate."""
        return sum(stage.duration_low_s for stage in self.stages)

    @property
    def duration_high_s(self) -> float | None:
        """At its lower end; None where that is zero."""
        ends = [stage.duration_high_s for stage in self.stages]
        return None if None in ends else sum(end or 0.0 for end in ends)
