"""The guardrails of a plan as PromQL: how much worse the canary is, once enough of it is in.

Names of metrics are those of OpenTelemetry's GenAI client metrics as Prometheus stores them; for
evaluation scores there is no such convention, so theirs is made up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from llmops_cli.rollout.model import ERRORS, LATENCY, QUALITY, Decision, Guardrail, Plan, Stage

__all__ = [
    "EARLY_HARM",
    "EARLY_LEAST",
    "EARLY_PARTS",
    "Watched",
    "early_bound",
    "end_bounds",
    "measurable",
    "metric_warnings",
    "promql",
]

DURATIONS = "gen_ai_client_operation_duration_seconds"
"""Histogram of every call; failed ones carry ``error_type``."""

SCORES = "gen_ai_evaluation_score"
"""Sum and count of evaluation scores between 0 and 1."""

EARLY_PARTS = 8
"""Windows a stage is looked at in before it is over."""

EARLY_HARM = 4.0
"""Harm in one of them that goes back at once, as a multiple of ``roll_back_above``.

With 1/8 of the requests a standard error is sqrt(8) = 2.8 times as large: four times the bound
is 1.4 times as many standard errors as the bound itself, too many for eight looks to reach by
chance.
"""

EARLY_LEAST = 0.75 / EARLY_PARTS
"""Part of a stage's requests a window must hold to be looked at; traffic is not even."""

_RETENTION_S = 15 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one query looks at.

    Attributes:
        guardrail: what must not get worse.
        compared_with: ``control`` or ``baseline``.
        control: label matchers of the old version.
        canary: of the new one.
        window: PromQL range.
        requests: on the new version, without which there is no answer.
    """

    guardrail: Guardrail
    compared_with: str
    control: str
    canary: str
    window: str
    requests: float


def measurable(plan: Plan) -> tuple[Guardrail, ...]:
    """The guardrails that a metrics server can answer for."""
    return tuple(item for item in plan.guardrails if item.name in _MEASURES)


def promql(watched: Watched) -> str:
    """The harm as one number, or nothing while too few requests are in."""
    share, count = _MEASURES[watched.guardrail.name]
    new = share(watched.guardrail, watched.canary, watched.window)
    old = f"{watched.guardrail.baseline:.6g}"
    if watched.compared_with == "control":
        old = share(watched.guardrail, watched.control, watched.window)
    worse = (new, old) if watched.guardrail.worse_is_more else (old, new)
    enough = [f"{count(watched.canary, watched.window)} >= {_least(watched)}"]
    if watched.compared_with == "control":
        enough.append(f"{count(watched.control, watched.window)} > 0")
    lines = [f"({worse[0]}\n  - {worse[1]})", *enough]
    return "\nand ".join(lines) + "\n"


def _least(watched: Watched) -> int:
    needed = watched.requests * watched.guardrail.coverage
    # At least one, or an empty window would be divided by zero.
    return max(1, math.floor(needed))


def _total(metric: str, labels: str, window: str) -> str:
    return f"sum(increase({metric}{{{labels}}}[{window}]))"


def _calls(labels: str, window: str) -> str:
    return _total(f"{DURATIONS}_count", labels, window)


def _scored(labels: str, window: str) -> str:
    return _total(f"{SCORES}_count", labels, window)


def _errors(_: Guardrail, labels: str, window: str) -> str:
    failed = _total(f"{DURATIONS}_count", f'{labels},error_type!=""', window)
    # A version without any error has no such series.
    return f"({failed} or vector(0)) / {_calls(labels, window)}"


def _slow(guardrail: Guardrail, labels: str, window: str) -> str:
    fast = _total(f"{DURATIONS}_bucket", f'{labels},le="{_bucket(guardrail)}"', window)
    return f"(1 - {fast} / {_calls(labels, window)})"


def _score(_: Guardrail, labels: str, window: str) -> str:
    return f"{_total(f'{SCORES}_sum', labels, window)} / {_scored(labels, window)}"


def _bucket(guardrail: Guardrail) -> str:
    return f"{guardrail.threshold_s or 0:.4g}"


_Share = Callable[[Guardrail, str, str], str]
_Count = Callable[[str, str], str]
_MEASURES: dict[str, tuple[_Share, _Count]] = {
    QUALITY: (_score, _scored),
    LATENCY: (_slow, _calls),
    ERRORS: (_errors, _calls),
}


def end_bounds(decision: Decision) -> tuple[float, float]:
    """Harm to go on at and below, and harm to go back above; between them the stage holds.

    Where a harm is shown to be smaller than the margin it is no reason to go back, however sure.
    """
    return decision.promote_below, max(decision.promote_below, decision.roll_back_above)


def early_bound(decision: Decision) -> float:
    """Harm in an eighth of a stage that goes back at once."""
    return min(1.0, EARLY_HARM * decision.roll_back_above)


def metric_warnings(plan: Plan, longest: Stage, wait_s: float) -> list[str]:
    """What a metrics server has to be taught before it can answer."""
    said = list[str]()
    for guardrail in plan.guardrails:
        if guardrail.name not in _MEASURES:
            said.append(
                f"No standard metric tells {guardrail.name}: that guardrail is left out here, and "
                "only `llmops check-rollout` decides it."
            )
        elif guardrail.ratio is not None:
            said.append(
                f"The margin of {guardrail.name} is a ratio of {guardrail.ratio:g} to the old "
                "version: the limits here are what it comes to at the baseline's level."
            )
        if guardrail.name == QUALITY:
            said.append(
                f"Evaluation scores have no standard metric: export {SCORES}_sum and _count, or "
                "take the quality guardrail out and leave it to `llmops check-rollout`."
            )
        if guardrail.name == LATENCY:
            said.append(
                f"A histogram counts slow requests at the bounds of its buckets only: give "
                f"{DURATIONS} one at {_bucket(guardrail)} s, the baseline's p95; the default "
                "buckets have none there, and the query would find nothing."
            )
    if wait_s > _RETENTION_S:
        said.append(
            f"The stage of {longest.percent:g} % looks back {wait_s / 86_400:.3g} days; Prometheus "
            "keeps 15 by default."
        )
    return said
