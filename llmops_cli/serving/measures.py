"""The figures of one policy: latencies, goodput, reuse, load and cost, with their resamples.

A figure is a value over the counted requests and the same over every resample of stretches of
time, so that any two policies can be compared in pairs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Unit
from llmops_cli.serving.counted import Counted

__all__ = ["FIGURES", "LEVEL", "Figure", "FigureKind", "figures_of", "interval"]

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Two-sided confidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One number.

    Attributes:
        value: over the counted requests; NaN where there is none.
        samples: over each resample; None for what is not resampled.
    """

    value: float
    samples: Floats | None = None


@dataclass(frozen=True, slots=True)
class FigureKind:
    """What a figure is.

    Attributes:
        name: stable, with its unit.
        label: what a person reads.
        unit: of the value.
        better: ``low`` or ``high``; empty where neither is.
        make: from the counted requests.
    """

    name: str
    label: str
    unit: Unit
    better: str
    make: Callable[[Counted], Figure]


def figures_of(counted: Counted) -> dict[str, Figure]:
    """Every figure by its name."""
    return {kind.name: kind.make(counted) for kind in FIGURES.values()}


def interval(samples: Floats | None) -> tuple[float | None, float | None]:
    """The middle of resampled values; open where there are none."""
    if samples is None:
        return None, None
    known = samples[np.isfinite(samples)]
    if len(known) < 2:  # noqa: PLR2004 - one value has no spread
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _quantile(of: Callable[[Counted], Floats], share: float) -> Callable[[Counted], Figure]:
    def make(counted: Counted) -> Figure:
        values = of(counted)
        known = values[~np.isnan(values)]
        if not len(known):
            return Figure(float("nan"))
        value = float(np.quantile(known, share, method="inverted_cdf"))
        return _spread(counted, value, lambda: counted.stretches.quantiles(values, share))

    return make


def _mean(of: Callable[[Counted], Floats]) -> Callable[[Counted], Figure]:
    """Over the requests that have the value."""
    return _ratio(
        lambda counted: np.nan_to_num(of(counted)),
        lambda counted: (~np.isnan(of(counted))).astype(np.float64),
    )


def _ratio(
    above: Callable[[Counted], Floats], below: Callable[[Counted], Floats]
) -> Callable[[Counted], Figure]:
    def make(counted: Counted) -> Figure:
        upper, lower = above(counted), below(counted)
        if not lower.sum():
            return Figure(float("nan"))

        def samples() -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                return counted.stretches.totals(upper) / counted.stretches.totals(lower)

        return _spread(counted, float(upper.sum() / lower.sum()), samples)

    return make


def _rate(of: Callable[[Counted], Floats]) -> Callable[[Counted], Figure]:
    """A sum per second of the replay, whose length a resample does not change."""

    def make(counted: Counted) -> Figure:
        values, seconds = of(counted), counted.lasted_s
        return _spread(
            counted,
            float(values.sum()) / seconds,
            lambda: counted.stretches.totals(values) / seconds,
        )

    return make


def _spread(counted: Counted, value: float, samples: Callable[[], Floats]) -> Figure:
    return Figure(value, samples() if counted.stretches.count > 1 else None)


def _within_slo(make: Callable[[Counted], Figure]) -> Callable[[Counted], Figure]:
    return lambda counted: Figure(float("nan")) if counted.slo is None else make(counted)


def _used(counted: Counted) -> Figure:
    busy = float(counted.outcome.busy_s.sum())
    spent = len(counted.outcome.busy_s) * max(float(counted.outcome.finish_s.max()), 1e-9)
    return Figure(busy / spent)


def _preemptions(counted: Counted) -> Figure:
    return Figure(float(counted.outcome.preemptions[counted.mask].sum()))


def _gpu_hours(counted: Counted) -> Figure:
    hours = counted.gpus * counted.lasted_s / 3600
    return Figure(1e6 * hours / float(counted.output_tokens.sum()))


def _usd(counted: Counted) -> Figure:
    if counted.usd_per_hour is None:
        return Figure(float("nan"))
    return Figure(counted.usd_per_hour * _gpu_hours(counted).value)


def _all_tokens_usd(counted: Counted) -> Figure:
    tokens = counted.input_tokens.sum() + counted.output_tokens.sum()
    return Figure(_usd(counted).value * float(counted.output_tokens.sum() / tokens))


def _latencies() -> dict[str, FigureKind]:
    found: list[FigureKind] = []
    several: Mapping[str, tuple[str, Callable[[Counted], Floats]]] = {
        "ttft": ("TTFT", lambda counted: counted.ttft_s),
        "tpot": ("TPOT", lambda counted: counted.tpot_s),
        "e2e": ("end to end", lambda counted: counted.e2e_s),
        "queue": ("queueing", lambda counted: counted.queued_s),
    }
    for name, (label, of) in several.items():
        found.append(FigureKind(f"{name}_mean_s", f"{label} mean", "s", "low", _mean(of)))
        for share in (50, 90, 99):
            make = _quantile(of, share / 100)
            found.append(FigureKind(f"{name}_p{share}_s", f"{label} p{share}", "s", "low", make))
    return {kind.name: kind for kind in found}


FIGURES: Mapping[str, FigureKind] = _latencies() | {
    kind.name: kind
    for kind in (
        FigureKind(
            "longest_gap_p99_s", "longest pause p99", "s", "low",
            _quantile(lambda counted: counted.outcome.longest_gap_s[counted.mask], 0.99),
        ),
        FigureKind(
            "goodput_share", "within SLO", "share", "high",
            _within_slo(_mean(lambda counted: counted.within)),
        ),
        FigureKind(
            "goodput_per_s", "goodput, requests/s", "", "high",
            _within_slo(_rate(lambda counted: counted.within)),
        ),
        FigureKind(
            "requests_per_s", "requests/s", "", "high",
            _rate(lambda counted: np.ones(len(counted.ttft_s))),
        ),
        FigureKind(
            "output_tokens_per_s", "output tokens/s", "", "high",
            _rate(lambda counted: counted.output_tokens),
        ),
        FigureKind(
            "hit_rate_tokens", "hit rate", "share", "high",
            _ratio(lambda counted: counted.hit_tokens, lambda counted: counted.input_tokens),
        ),
        FigureKind(
            "hit_rate_requests", "requests that hit", "share", "high",
            _mean(lambda counted: (counted.hit_tokens > 0).astype(np.float64)),
        ),
        FigureKind("preemptions", "preemptions", "count", "low", _preemptions),
        FigureKind("utilisation", "utilisation", "share", "", _used),
        FigureKind(
            "gpu_hours_per_million_output", "GPU hours per million output tokens", "", "low",
            _gpu_hours,
        ),
        FigureKind(
            "usd_per_million_output", "cost per million output tokens", "usd", "low", _usd
        ),
        FigureKind(
            "usd_per_million_tokens", "cost per million tokens, in and out", "usd", "low",
            _all_tokens_usd,
        ),
    )
}  # fmt: skip
"""Every figure of a policy, in the order of a report."""
