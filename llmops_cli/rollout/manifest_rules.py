"""One metric of a manifest as a rule: what it counts, when it looks, what fails, what pauses."""

from dataclasses import dataclass

from llmops_cli.rollout.model import ERRORS

__all__ = ["STEP_S", "ErrorRule", "Found"]

STEP_S = 3600.0
"""A step that waits for a person, or for a gate to open: an hour is taken."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One metric.

    Attributes:
        name: as the manifest names it.
        bound: of a window, above which the check fails.
        interval_s: time between checks, and what each looks back on.
        strikes: failed checks, of one analysis, that roll back.
        empty_fails: whether a window without enough requests fails.
        guardrail: errors; of our own exports also quality or latency.
        difference: whether the bound is of the difference to the old version beside it.
        pauses_above: a check that does not fail but exceeds this pauses for a person.
        empty_pauses: whether one without enough requests does.
        empty_ends: whether such a window ends the analysis at once, whatever the strikes.
        window_s: what it looks back on, where that is something else.
        step: the only step that it looks at; None for all.
        first_step: the first of them.
        count: checks after which it looks no more; None for as long as it runs.
        delay_s: time before its first check; at least a window.
        whole_step: whether it looks back over the whole step, once, at its end.
        least: requests on the new version that a check needs.
    """

    name: str
    bound: float
    interval_s: float
    strikes: int
    empty_fails: bool
    guardrail: str = ERRORS
    difference: bool = False
    pauses_above: float | None = None
    empty_pauses: bool = False
    empty_ends: bool = False
    window_s: float | None = None
    step: int | None = None
    first_step: int = 0
    count: int | None = None
    delay_s: float = 0.0
    whole_step: bool = False
    least: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What was read: steps, rules, and what was left out."""

    steps: tuple[tuple[float, float], ...]
    rules: tuple[ErrorRule, ...]
    left_out: tuple[str, ...]
