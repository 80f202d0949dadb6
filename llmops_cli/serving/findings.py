"""What a reader must know before trusting a comparison: the trace, the model, the load."""

from collections.abc import Iterator

from llmops_cli.hardware.silicon import roofline_error
from llmops_cli.hardware.step_time import StepForm
from llmops_cli.report import Finding
from llmops_cli.serving.checks import simultaneous
from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.differences import differences
from llmops_cli.serving.question import ServingParameters

__all__ = ["error_statement", "own_findings"]

_LATE = 1.5
"""Times the mean wait that the last requests wait where a queue only grows: 1.8 if evenly."""
_LAST = 5
_NOTICED_S = 1.0
_BURSTS = 0.05
"""Of the requests: fewer arrive together by chance on a clock of milliseconds."""
_SHOWN = 3


def own_findings(found: Comparison, given: ServingParameters) -> tuple[Finding, ...]:
    """Everything about this trace and these policies that the numbers do not say."""
    return (
        *_about_reuse(found),
        *_about_load(found),
        *_about_latency(found),
        *_about_arrivals(found),
        *_about_chance(found),
        *_about_cost(given),
    )


def error_statement(found: Comparison) -> str:
    """How far absolute latencies may be from a real system."""
    forms = {played.policy.step_time.form for played in found.played}
    if forms == {StepForm.ROOFLINE}:
        error = roofline_error("tpot")
        return (
            f"a roofline: on {error.rows} measured systems its time per token is off by "
            f"{100 * error.median:.0f} % in the median and {100 * error.p90:.0f} % in the worst "
            "tenth"
        )
    names = sorted({played.policy.step_time.name for played in found.played})
    return f"the step times of {', '.join(names)}"


def _about_reuse(found: Comparison) -> Iterator[Finding]:
    if not len(found.trace.blocks):
        yield Finding(
            slug="serving-no-blocks",
            severity="warning",
            message="the trace records no blocks of prompts: nothing can be reused in it, every "
            "hit rate is 0, and cache-aware routing has nothing to go by",
            hint="a trace with hash_ids, or a log with prompts, shows what caching and routing do",
            field="hash_ids",
        )
    elif found.reuse.visits == found.reuse.distinct:
        yield Finding(
            slug="serving-no-reuse",
            severity="warning",
            message=f"none of the {found.reuse.visits:,} blocks comes twice: nothing can be reused",
        )


def _about_load(found: Comparison) -> Iterator[Finding]:
    full = [p for p in found.played if _falls_behind(p)]
    if full:
        yield Finding(
            slug="serving-saturated",
            severity="warning",
            message=f"{_named(full)}: does not keep up, so waits grow with the length of the trace "
            "and say nothing of another one",
            hint="more replicas, or a smaller --rate-scale; --find-capacity rate finds it",
            count=len(full),
        )
    moved = [p for p in found.played if int(p.outcome.preemptions.sum())]
    if moved:
        most = max(int(p.outcome.preemptions.sum()) for p in moved)
        yield Finding(
            slug="serving-preempted",
            severity="note",
            message=f"{_named(moved)}: up to {most:,} times a running sequence lost its memory "
            "and was computed again",
            hint="more KV memory, or a smaller batch",
            count=len(moved),
        )


def _falls_behind(played: Played) -> bool:
    """Whether requests of the last fifth wait much longer than all do in the mean."""
    waits = played.counted.queued_s
    last = waits[-max(len(waits) // _LAST, 1) :]
    return bool(last.mean() > max(_LATE * waits.mean(), _NOTICED_S))


def _about_latency(found: Comparison) -> Iterator[Finding]:
    yield Finding(
        slug="serving-latency-model",
        severity="note",
        message=f"absolute latencies are those of {error_statement(found)}; differences between "
        "policies rest on it less",
        hint="fit your own measured steps: --latency-model FILE",
    )


def _about_arrivals(found: Comparison) -> Iterator[Finding]:
    together = simultaneous(found.trace)
    if together >= _BURSTS * len(found.trace):
        yield Finding(
            slug="serving-bursts",
            severity="note",
            message=f"{together:,} of {len(found.trace):,} requests arrive within a millisecond "
            "of the one before: they are replayed as a burst, in the order of the file",
            hint="a clock that is rounded makes bursts that were none",
        )
    closed = [p for p in found.played if p.policy.think_s is not None]
    if closed and not (found.trace.session >= 0).any():
        yield Finding(
            slug="serving-no-sessions",
            severity="warning",
            message="the trace names no sessions, so a closed loop closes nothing: every request "
            "arrives when it did",
            field="session_id",
        )


def _about_chance(found: Comparison) -> Iterator[Finding]:
    if found.stretches.count < 2:  # noqa: PLR2004 - one stretch has no spread
        yield Finding(
            slug="serving-no-interval",
            severity="warning",
            message="the counted requests lie at one instant: no interval can be given",
        )
        return
    first, *others = found.played
    even = [other for other in others if not any(each.shown for each in differences(first, other))]
    if even:
        yield Finding(
            slug="serving-no-difference",
            severity="note",
            message=f"{_named(even)}: no figure differs from {first.policy.name} beyond what "
            "another stretch of the trace could show",
            count=len(even),
        )


def _about_cost(given: ServingParameters) -> Iterator[Finding]:
    if given.gpu_usd_per_hour is None:
        yield Finding(
            slug="serving-no-price",
            severity="note",
            message="no price of a GPU hour was given: cost is in GPU hours",
            hint="--gpu-usd-per-hour 2.5",
        )


def _named(played: list[Played]) -> str:
    names = [each.policy.name for each in played]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
