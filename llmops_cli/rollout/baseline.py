"""What the baseline log says about arrivals, errors, latency and quality."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.model import (
    DEFAULT_MARGINS,
    ERRORS,
    LATENCY,
    QUALITY,
    Guardrail,
    RolloutParameters,
)
from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.intervals import Interval, wilson
from llmops_cli.stats.power import design_effect

__all__ = ["LEAST_CALLS", "Baseline", "measure_baseline"]

LEAST_CALLS = 100
"""Below this nobody knows the baseline."""

SLOW = 0.95
_RARE = 10
_MOST_BLOCKS = 24
_CALLS_PER_BLOCK = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Facts of the log.

    Attributes:
        calls: number of calls.
        span_s: seconds from the first to the last.
        rate_per_s: calls per second.
        rate: its two-sided 90 % interval.
        blocks: equal parts of the span that the interval rests on.
        units: users (or conversations) the calls belong to; 0 where the log names neither.
        unit: the column that groups calls, or empty.
        guardrails: those the log can carry.
        missing: guardrails it cannot, each with the reason.
        rare_errors: errors seen, where they are too few to know their rate.
    """

    calls: int
    span_s: float
    rate_per_s: float
    rate: Interval
    blocks: int
    units: int
    unit: str
    guardrails: tuple[Guardrail, ...]
    missing: tuple[tuple[str, str], ...]
    rare_errors: int | None


def measure_baseline(calls: CallsTable, given: RolloutParameters) -> Baseline:
    """Measure the log.

    Raises:
        LlmopsError: ``calls-missing-column`` without times, ``rollout-no-span`` when all
            calls start at once, ``rollout-no-quality`` and ``rollout-no-latency`` when a
            margin was given for what the log does not carry, ``rollout-flat-latency``.
    """
    require(calls, "start_time")
    moments = _moments(calls)
    span = float(moments[-1] - moments[0]) / 1e6
    if span <= 0:
        raise LlmopsError(
            "rollout-no-span",
            "all calls start at the same time, so nothing is known about their rate",
            hint="give a log of at least a day",
            field="start_time",
        )
    rate, interval, blocks = _arrivals(moments, span)
    unit = next((name for name in ("user_id", "conversation_id") if calls[name].notna().any()), "")
    codes = pd.factorize(calls[unit])[0] if unit else np.arange(len(calls))
    errors = calls["error_type"].notna().to_numpy(dtype=bool)
    guardrails, missing = _guardrails(calls, errors, codes, given)
    return Baseline(
        calls=len(calls),
        span_s=span,
        rate_per_s=rate,
        rate=interval,
        blocks=blocks,
        units=int(codes.max()) + 1 if unit else 0,
        unit=unit,
        guardrails=guardrails,
        missing=missing,
        rare_errors=int(errors.sum()) if errors.sum() < _RARE else None,
    )


def _moments(calls: CallsTable) -> npt.NDArray[np.int64]:
    known = pa.array(calls["start_time"].dropna(), type=pa.timestamp("us", tz="UTC"))
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    return np.sort(known.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _arrivals(moments: npt.NDArray[np.int64], span_s: float) -> tuple[float, Interval, int]:
    # Calls come in bursts: the spread of equal blocks of time knows that, a Poisson law does not.
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy is slow to load

    calls = len(moments)
    rate = calls / span_s
    blocks = int(np.clip(calls // _CALLS_PER_BLOCK, 2, _MOST_BLOCKS))
    counts, _ = np.histogram(moments, bins=blocks)
    error = float(counts.std(ddof=1)) / math.sqrt(blocks)
    reach = float(stdtrit(blocks - 1, 0.95)) * error * blocks / span_s
    return rate, Interval(max(0.0, rate - reach), rate + reach), blocks


def _guardrails(
    calls: CallsTable,
    errors: npt.NDArray[np.bool_],
    codes: npt.NDArray[np.int64],
    given: RolloutParameters,
) -> tuple[tuple[Guardrail, ...], tuple[tuple[str, str], ...]]:
    found: list[Guardrail] = []
    missing: list[tuple[str, str]] = []
    for name, column, asked, make in (
        (QUALITY, "evaluation_score", given.quality_margin, _quality),
        (LATENCY, "duration_s", given.latency_margin, _latency),
    ):
        values = calls[column].to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(values) & ~errors
        if known.sum() >= 2:  # noqa: PLR2004 - a spread needs two
            margin = DEFAULT_MARGINS[name] if asked is None else asked
            found.append(make(values[known], codes[known], margin))
        elif asked is not None:
            raise LlmopsError(
                f"rollout-no-{name}",
                f"'{column}' is in no call, so {name} cannot be guarded",
                hint=f"log it, or leave out --{name}-margin",
                field=column,
            )
        else:
            missing.append((name, column))
    margin = DEFAULT_MARGINS[ERRORS] if given.error_margin is None else given.error_margin
    return (*found, _errors(errors.astype(np.float64), codes, margin)), tuple(missing)


def _quality(scores: Floats, codes: npt.NDArray[np.int64], margin: float) -> Guardrail:
    return Guardrail(
        name=QUALITY,
        metric="mean evaluation score",
        baseline=float(scores.mean()),
        margin=margin,
        asked=margin,
        variance=float(scores.var(ddof=1)),
        variance_at_margin=float(scores.var(ddof=1)),
        design_effect=_clustering(scores, codes),
    )


def _latency(seconds: Floats, codes: npt.NDArray[np.int64], ratio: float) -> Guardrail:
    # If every request slows by the ratio, the share beyond the old p95 rises by the margin.
    slow_s = float(np.quantile(seconds, SLOW))
    slow = (seconds > slow_s).astype(np.float64)
    share = float(slow.mean())
    margin = float((seconds > slow_s / ratio).mean()) - share
    if margin <= 0:
        raise LlmopsError(
            "rollout-flat-latency",
            f"no latency in the log lies just below its p95 of {slow_s:g} s, so a p95 slower by "
            f"{100 * (ratio - 1):.0f} % cannot be told from its tail",
            hint="give a longer log, or a larger --latency-margin",
            field="duration_s",
        )
    return Guardrail(
        name=LATENCY,
        metric="share of requests slower than the baseline p95",
        baseline=share,
        margin=margin,
        asked=ratio,
        variance=share * (1 - share),
        variance_at_margin=(share + margin) * max(0.0, 1 - share - margin),
        design_effect=_clustering(slow, codes),
        threshold_s=slow_s,
    )


def _errors(errors: Floats, codes: npt.NDArray[np.int64], margin: float) -> Guardrail:
    count, n = int(errors.sum()), len(errors)
    share = count / n
    # Too few errors to know their rate: plan for the most there may be.
    cautious = wilson(count, n).high if count < _RARE else share
    return Guardrail(
        name=ERRORS,
        metric="error rate",
        baseline=share,
        margin=margin,
        asked=margin,
        variance=cautious * (1 - cautious),
        variance_at_margin=(cautious + margin) * max(0.0, 1 - cautious - margin),
        design_effect=_clustering(errors, codes),
    )


def _clustering(values: Floats, codes: npt.NDArray[np.int64]) -> float:
    known = codes >= 0
    _, dense = np.unique(codes[known], return_inverse=True)
    pairs = np.column_stack([values[known], np.ones(int(known.sum()))])
    return design_effect(cluster_sums(pairs, dense.astype(np.int64)), float(values.var()))
