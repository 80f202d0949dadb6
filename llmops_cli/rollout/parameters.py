"""What a rollout plan is asked: stages, margins, risks, and the gate."""

import math
from dataclasses import dataclass
from itertools import pairwise

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.boundary_choice import ALWAYS_VALID, Boundaries
from llmops_cli.rollout.model import QUALITY
from llmops_cli.rollout.policy import AS_EVER, Policy

__all__ = ["RolloutParameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutParameters:
    """The question.

    Attributes:
        stages: percent of traffic on the new version, rising to 100.
        quality_margin: the smallest drop of the mean evaluation score that matters; None for
            the default where the log carries scores.
        latency_margin: the smallest ratio of p95 latencies that matters, above 1.
        error_margin: the smallest rise of the error rate that matters, as a share.
        error_ratio: in its place the smallest ratio of error rates that matters, above 1.
        cost_margin: the smallest ratio of mean costs per request that matters, above 1; None
            leaves cost alone.
        alpha: one-sided risk, over all stages, of going on with a change that harms by a
            margin; and, apart from that, of going back with a harmless one.
        power: chance that a harmless change passes every guardrail of every stage.
        minimum_stage_s: no stage is shorter than this.
        max_stage_s: no stage may last longer: one number for all, or one for each stage.
        max_days: gate on the whole duration; None for no gate.
        judge_sensitivity: of the judge behind the scores, on what is good; 1 for no judge.
        judge_specificity: on what is bad.
        policy: what happens where the evidence does not decide, and after a harm.
        boundaries: how the risks are spent over the looks.
        shadow: percent of requests copied to the new version in a stage before the first, in
            which nobody meets it; None for no such stage.
        shadow_quality: whether answers of that stage are scored.
        ab_stage: percent of the stage that has to show a gain; None for none.
        ab_goal: the guardrail in which it has to.
        ab_gain: the gain it shows with the plan's power, in the unit of the guardrail's margin.
    """

    stages: tuple[float, ...] = (5, 10, 25, 50, 100)
    quality_margin: float | None = None
    latency_margin: float | None = None
    error_margin: float | None = None
    error_ratio: float | None = None
    cost_margin: float | None = None
    alpha: float = 0.05
    power: float = 0.80
    minimum_stage_s: float = 3600.0
    max_stage_s: tuple[float, ...] = ()
    max_days: float | None = None
    judge_sensitivity: float = 1.0
    judge_specificity: float = 1.0
    policy: Policy = AS_EVER
    boundaries: Boundaries = ALWAYS_VALID
    shadow: float | None = None
    shadow_quality: bool = False
    ab_stage: float | None = None
    ab_goal: str = QUALITY
    ab_gain: float | None = None

    @property
    def steps(self) -> int:
        """Stages, the shadow stage included."""
        return len(self.stages) + (self.shadow is not None)

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
            ("error_ratio", 1.0, 1000.0, "half as many errors again is 1.5"),
            ("cost_margin", 1.0, 100.0, "twenty percent dearer is 1.2"),
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
        if self.error_margin is not None and self.error_ratio is not None:
            raise _usage(
                "rollout-two-error-margins",
                "--error-margin and --error-ratio say the same thing in two ways",
                "a margin in points for a rate near 0, a ratio otherwise",
            )
        judge = (self.judge_sensitivity, self.judge_specificity)
        if not (all(0 < rate <= 1 for rate in judge) and self.judge_knows > 0):
            raise _usage(
                "rollout-bad-judge",
                "a judge's sensitivity and specificity lie between 0 and 1 and exceed 1 together",
                "llmops judge-eval measures both",
            )
        self._check_maxima()
        self._check_steps()
        self._check_idle()
        if not self.minimum_stage_s >= 0:
            raise _usage("rollout-bad-minimum", "a stage lasts 0 hours or more", "one hour is 1")

    def _check_maxima(self) -> None:
        fits = len(self.max_stage_s) in {0, 1, len(self.stages)}
        least = max(self.minimum_stage_s, 1.0)
        if not (fits and all(least <= item < math.inf for item in self.max_stage_s)):
            raise _usage(
                "rollout-bad-max-stage-days",
                "--max-stage-days is one number for all stages or one for each, and not less than "
                "--min-stage-hours",
                "7, or 7,7,3,3,2 for five stages",
            )

    def _check_steps(self) -> None:
        if self.shadow is not None and not 0 < self.shadow <= 100:  # noqa: PLR2004 - percent
            raise _usage("rollout-bad-shadow", "--shadow is a percent, up to 100", "all is 100")
        if (self.ab_stage is None) is not (self.ab_gain is None):
            raise _usage(
                "rollout-bad-ab-stage",
                "--ab-stage and --ab-gain belong together",
                "--ab-stage 50 --ab-goal quality --ab-gain 0.02",
            )
        if self.ab_stage is not None and self.ab_stage not in self.stages[:-1]:
            raise _usage(
                "rollout-bad-ab-stage",
                "--ab-stage is none of the stages with a control beside them",
                ", ".join(f"{stage:g}" for stage in self.stages[:-1]),
            )
        if self.ab_gain is not None and not 0 < self.ab_gain < 1:
            raise _usage("rollout-bad-ab-gain", "--ab-gain lies between 0 and 1", "0.02")

    def _check_idle(self) -> None:
        """Refuse what changes nothing without another option: whoever gives it means something."""
        policy, spending = self.policy, self.boundaries
        for option, idle, needed in (
            ("shadow-quality", self.shadow_quality and self.shadow is None, "--shadow 10"),
            (
                "at-maximum",
                policy.at_maximum != AS_EVER.at_maximum and not self.max_stage_s,
                "--max-stage-days 7",
            ),
            (
                "no-data-hours",
                policy.no_data == "hold" and policy.no_data_after_s != AS_EVER.no_data_after_s,
                "--no-data rollback",
            ),
            (
                "harm-looks",
                spending.harm == "mixture" and spending.harm_looks != ALWAYS_VALID.harm_looks,
                "--harm-boundary pocock",
            ),
            (
                "benefit-looks",
                spending.benefit == "fixed"
                and spending.benefit_looks != ALWAYS_VALID.benefit_looks,
                "--benefit-boundary obrien-fleming",
            ),
        ):
            if idle:
                raise _usage(
                    "rollout-idle-option", f"--{option} alone changes nothing", f"add {needed}"
                )

    def maximum_s(self, stage: int) -> float | None:
        """The longest that a stage, by its place, may last; -1 is the shadow stage."""
        if not self.max_stage_s or (stage < 0 and len(self.max_stage_s) > 1):
            return None
        return self.max_stage_s[stage if len(self.max_stage_s) > 1 else 0]


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
