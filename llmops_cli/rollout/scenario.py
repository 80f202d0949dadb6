"""What a rehearsal is asked: changes, runs, looks, gates; and which changes it plays."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Guardrail, Plan

__all__ = ["RehearsalParameters", "at_margin", "scenarios"]

_MOST_RUNS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalParameters:
    """The question.

    Attributes:
        change: what the new version does worse; None plays every guardrail at its margin.
        runs: rollouts played of each change.
        look_s: seconds between looks.
        seed: of everything drawn.
        every_rule: whether to judge by one test of errors over the whole rollout as well, of
            each kind of boundary.
        max_false_rollback: gate on the share of harmless rollouts that go back.
        min_detection: gate on the share of harmful ones that do.
        max_exposed: gate on the mean requests that a harmful version serves.
    """

    change: Change | None = None
    runs: int = 500
    look_s: float = 3600.0
    seed: int = 0
    every_rule: bool = False
    max_false_rollback: float | None = None
    min_detection: float | None = None
    max_exposed: float | None = None

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be rehearsed."""
        if not 1 <= self.runs <= _MOST_RUNS:
            raise _usage("runs", f"--runs lies between 1 and {_MOST_RUNS:,}")
        if not 60 <= self.look_s <= 7 * 86_400:  # noqa: PLR2004 - a minute, a week
            raise _usage("looks", "looks lie between a minute and a week apart")
        for name in ("max_false_rollback", "min_detection"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise _usage("gate", f"--{name.replace('_', '-')} is a share between 0 and 1")
        if self.max_exposed is not None and not self.max_exposed >= 0:
            raise _usage("gate", "--max-exposed is a number of requests")
        if self.change is not None:
            _check(self.change)


def scenarios(plan: Plan, given: RehearsalParameters) -> tuple[Change, ...]:
    """No change first; then the change asked for, or each guardrail's own margin.

    Raises:
        LlmopsError: ``rollout-unguarded`` for a change that no guardrail of the plan counts.
    """
    if given.change is None:
        return (NO_CHANGE, *(at_margin(item) for item in plan.guardrails))
    guarded = {item.name for item in plan.guardrails}
    touched = [name for name, there in _touched(given.change) if there]
    if not guarded.intersection(touched):
        raise _unguarded(touched)
    return NO_CHANGE, given.change


def at_margin(guardrail: Guardrail) -> Change:
    """The change that harms one guardrail by its margin."""
    if guardrail.name == QUALITY:
        # As the judge shows it: the log holds its scores.
        return Change(name=f"score -{guardrail.margin:g}", quality_drop=guardrail.margin)
    if guardrail.name == LATENCY:
        return Change(name=f"latency x{guardrail.asked:g}", latency_ratio=guardrail.asked)
    if guardrail.name == COST:
        return Change(name=f"cost x{guardrail.asked:g}", cost_ratio=guardrail.asked)
    return Change(name=f"errors +{guardrail.asked:g}", error_rise=guardrail.asked)


def _touched(change: Change) -> Iterator[tuple[str, bool]]:
    yield QUALITY, change.quality_drop > 0
    yield LATENCY, (change.latency_ratio, change.p95_ratio) != (1, 1)
    yield ERRORS, change.error_rise > 0
    yield COST, change.cost_ratio != 1


def _unguarded(touched: list[str]) -> LlmopsError:
    what = " and ".join(touched)
    return LlmopsError(
        "rollout-unguarded",
        f"the plan guards no {what}" if what else "the change makes nothing worse",
        hint="plan with a margin for it, or rehearse another change",
        exit_code=ExitCode.USAGE,
    )


def _check(change: Change) -> None:
    for option, value, low, high in (
        ("quality-drop", change.quality_drop, 0.0, 1.0),
        ("latency-ratio", change.latency_ratio, 1.0, 100.0),
        ("p95-ratio", change.p95_ratio, 1.0, 100.0),
        ("error-rise", change.error_rise, 0.0, 1.0),
        ("cost-ratio", change.cost_ratio, 1.0, 100.0),
    ):
        if not low <= value <= high:
            raise _usage(
                "change", f"--{option} {value:g} does not lie between {low:g} and {high:g}"
            )
    for option, seconds in (("after", change.after_s), ("drift", change.drift_s)):
        if not 0 <= seconds < math.inf:
            raise _usage("change", f"--{option}-hours is a number of hours, 0 or more")


def _usage(what: str, message: str) -> LlmopsError:
    return LlmopsError(f"rollout-bad-{what}", message, exit_code=ExitCode.USAGE)
