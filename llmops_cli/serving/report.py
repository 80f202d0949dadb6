"""The comparison's answer: the headline, differences with intervals, gates."""

import math
from collections.abc import Iterator, Sequence

from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Unit
from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.curves import comparison_curves
from llmops_cli.serving.differences import Difference, best, differences
from llmops_cli.serving.explain import explanations
from llmops_cli.serving.findings import own_findings
from llmops_cli.serving.measures import FIGURES, LEVEL, interval
from llmops_cli.serving.question import ServingParameters
from llmops_cli.serving.tables import comparison_tables

__all__ = ["report"]

_METHOD = "block bootstrap over time"
_PAIRED = "block bootstrap over time, paired"
_SHOWN = ("ttft_p50_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "goodput_share",
          "hit_rate_tokens", "output_tokens_per_s")  # fmt: skip

_TOLD = (
    *("ttft_p50_s", "ttft_p90_s", "ttft_p99_s", "tpot_p50_s", "tpot_p90_s", "tpot_p99_s"),
    *("e2e_p50_s", "e2e_p99_s", "queue_p99_s", "goodput_share", "goodput_per_s"),
    *("hit_rate_tokens", "hit_rate_requests", "output_tokens_per_s", "preemptions"),
    *("utilisation", "gpu_hours_per_million_output", "usd_per_million_output"),
)
"""Of each policy, with its interval; tables have the others."""


def report(
    found: Comparison,
    given: ServingParameters,
    *,
    inputs: tuple[str, ...],
    findings: Sequence[Finding],
) -> Report:
    """The report of one comparison; ``findings`` are those of the reader of the trace."""
    return Report(
        command="simulate-serving",
        title="What the fleet would do",
        headline=_headline(found, given),
        inputs=inputs,
        parameters=_parameters(found, given),
        measures=tuple(_measures(found)),
        checks=tuple(_checks(found, given)),
        tables=comparison_tables(found, given),
        series=comparison_curves(found),
        findings=(*findings, *own_findings(found, given)),
        explanations=explanations(found, given),
    )


def _headline(found: Comparison, given: ServingParameters) -> str:
    first, chosen = found.played[0], best(found)
    if len(found.played) == 1:
        words = _alone(chosen)
    elif chosen is first:
        words = f"No policy does better than {first.policy.name}: {_alone(first, named=False)}"
    else:
        words = f"{chosen.policy.name} against {first.policy.name}: {_against(first, chosen)}"
    return f"{words}.{_held(first, chosen, given)}"


def _alone(played: Played, *, named: bool = True) -> str:
    name = f"{played.policy.name}: " if named else ""
    figures = played.figures
    good = figures["goodput_share"].value
    within = f", {100 * good:.1f} % within the SLO" if math.isfinite(good) else ""
    return (
        f"{name}p99 TTFT {_time(figures['ttft_p99_s'].value)}, p50 "
        f"{_time(figures['ttft_p50_s'].value)}{within}; "
        f"{100 * figures['hit_rate_tokens'].value:.1f} % of prompt tokens found in cache"
    )


def _against(first: Played, chosen: Played) -> str:
    names = ("ttft_p50_s", "ttft_p99_s", "goodput_share", "hit_rate_tokens")
    return ", ".join(_changed(each) for each in differences(first, chosen, names))


def _changed(each: Difference) -> str:
    kind = FIGURES[each.figure]
    doubt = "" if each.shown or each.low is None else " (not beyond chance)"
    if kind.unit == "s":
        return f"{kind.label} {_time(each.first)} to {_time(each.other)}{doubt}"
    return f"{kind.label} {100 * each.first:.1f} to {100 * each.other:.1f} %{doubt}"


def _time(seconds: float) -> str:
    return f"{1000 * seconds:,.3g} ms" if seconds < 1 else f"{seconds:,.3g} s"


def _held(first: Played, chosen: Played, given: ServingParameters) -> str:
    held = chosen.capacity
    if held is None or given.slo is None:
        return ""
    share = f"{100 * given.slo.share:g} % within {given.slo}"
    if held.value is None:
        tried = "at any rate tried" if held.search == "rate" else "with any number of replicas"
        return f" It does not hold {share} {tried}."
    at = (
        f"up to {held.value:.3g} times this traffic"
        if held.search == "rate"
        else (f"with {held.value:.0f} replicas")
    )
    return f" It holds {share} {at}{_other(first, chosen)}."


def _other(first: Played, chosen: Played) -> str:
    """What the first policy holds, where another was chosen."""
    held = first.capacity
    if chosen is first or held is None or held.value is None:
        return ""
    return f", {first.policy.name} {held.value:.3g}"


def _parameters(found: Comparison, given: ServingParameters) -> dict[str, Scalar]:
    return {
        "policies": len(found.played),
        "requests": len(found.trace),
        "block_tokens": found.trace.block_tokens,
        "warm_up_s": found.warm_up.seconds,
        "slo": str(given.slo) if given.slo else None,
        "slo_share": given.slo.share if given.slo else None,
        "find_capacity": given.find or None,
        "gpu_usd_per_hour": given.gpu_usd_per_hour,
        "min_goodput": given.min_goodput,
        "max_ttft_p99_s": given.max_ttft_p99_s,
        "min_hit_rate": given.min_hit_rate,
        "seed": given.seed,
    }


def _measures(found: Comparison) -> Iterator[Measure]:
    first, chosen = found.played[0], best(found)
    if chosen is first and len(found.played) > 1:
        chosen = found.played[1]
    if chosen is not first:
        yield from (_change(each, first, chosen) for each in differences(first, chosen, _SHOWN))
    yield from _capacities(found)
    for number, played in enumerate(found.played):
        for name in _TOLD:
            if math.isfinite(played.figures[name].value):
                yield _measure(played, name, f"{name}_{number + 1}")


def _measure(played: Played, name: str, called: str) -> Measure:
    kind, figure = FIGURES[name], played.figures[name]
    low, high = interval(figure.samples)
    return Measure(
        name=called,
        label=f"{played.policy.name}: {kind.label}",
        value=figure.value,
        unit=kind.unit,
        low=low,
        high=high,
        level=None if low is None else LEVEL,
        n=len(played.counted.ttft_s),
        method="" if low is None else _METHOD,
    )


def _change(each: Difference, first: Played, chosen: Played) -> Measure:
    kind = FIGURES[each.figure]
    factor, unit = _points(kind.unit)
    return Measure(
        name=f"{each.figure}_change",
        label=f"{kind.label}, {chosen.policy.name} less {first.policy.name}",
        value=factor * each.change,
        unit=unit,
        low=None if each.low is None else factor * each.low,
        high=None if each.high is None else factor * each.high,
        level=None if each.low is None else LEVEL,
        n=len(chosen.counted.ttft_s),
        method="" if each.low is None else _PAIRED,
    )


def _points(unit: Unit) -> tuple[float, Unit]:
    return (100.0, "points") if unit == "share" else (1.0, unit)


def _capacities(found: Comparison) -> Iterator[Measure]:
    for number, played in enumerate(found.played):
        held = played.capacity
        if held is not None:
            rate = held.search == "rate"
            yield Measure(
                name=f"capacity_{number + 1}",
                label=f"{played.policy.name}: {'times this traffic' if rate else 'replicas'}",
                value=held.value,
                unit="ratio" if rate else "",
                low=held.low,
                high=held.high,
                level=LEVEL,
                n=len(found.trace),
                method="search over replays",
            )


def _checks(found: Comparison, given: ServingParameters) -> Iterator[Check]:
    """Gates, held against the policy that does best."""
    chosen = best(found)
    more = "a longer trace narrows the interval"
    if given.min_goodput is not None:
        measure = _measure(chosen, "goodput_share", "goodput_share")
        name = f"{chosen.policy.name}: enough requests within the SLO"
        yield Check.at_least(name, measure, given.min_goodput, needed=more)
    if given.max_ttft_p99_s is not None:
        measure = _measure(chosen, "ttft_p99_s", "ttft_p99_s")
        name = f"{chosen.policy.name}: p99 TTFT low enough"
        yield Check.at_most(name, measure, given.max_ttft_p99_s, needed=more)
    if given.min_hit_rate is not None:
        measure = _measure(chosen, "hit_rate_tokens", "hit_rate_tokens")
        name = f"{chosen.policy.name}: enough prompt tokens from cache"
        yield Check.at_least(name, measure, given.min_hit_rate, needed=more)
