"""What the baseline log says about arrivals, users, and what must not get worse."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.guardrails import Measured, Missing, measure_guardrails
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.schedule import clock
from llmops_cli.stats.intervals import Interval

__all__ = ["DAY_S", "LEAST_CALLS", "Baseline", "measure_baseline", "who_calls"]

LEAST_CALLS = 100
"""Below this nobody knows the baseline."""

DAY_S = 86_400.0

_HOUR_S = 3600.0
_LEAST_DAYS = 5
_MOST_BLOCKS = 24
_CALLS_PER_BLOCK = 20


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Facts of the log.

    Attributes:
        calls: number of calls.
        span_s: seconds from the first to the last.
        rate_per_s: calls per second.
        rate: its two-sided 90 % interval.
        blocks: equal parts of the span that the interval rests on; 0 where it was given.
        units: users (or conversations) the calls belong to; 0 where the log names neither.
        unit: the column that groups calls, or empty.
        arrivals: ``(H,)`` calls in each hour of the log, which repeats; a log shorter than a day
            knows no hours of the day, and has its rate in every one.
        measured: the guardrails the log can carry.
        missing: those it cannot, each with the reason.
        design_effect: where numbers were given in place of a log, how alike users' requests are
            by them; None for a log.
    """

    calls: int
    span_s: float
    rate_per_s: float
    rate: Interval
    blocks: int
    units: int
    unit: str
    arrivals: npt.NDArray[np.float64]
    measured: tuple[Measured, ...]
    missing: tuple[Missing, ...]
    design_effect: float | None = None

    @property
    def given(self) -> bool:
        """Whether these are numbers that somebody gave, not a log that was measured."""
        return self.design_effect is not None

    @property
    def guardrails(self) -> tuple[Guardrail, ...]:
        """What the plan needs to know of each measured guardrail."""
        return tuple(item.guardrail for item in self.measured)


def measure_baseline(calls: CallsTable, given: RolloutParameters) -> Baseline:
    """Measure the log.

    Raises:
        LlmopsError: ``calls-missing-column`` without times, ``rollout-no-span`` when all
            calls start at once, and those of
            :func:`llmops_cli.rollout.guardrails.measure_guardrails`.
    """
    require(calls, "start_time")
    moments = _moments(calls)
    span = float(moments[-1] - moments[0]) / 1e6 if len(moments) else 0.0
    if span <= 0:
        raise LlmopsError(
            "rollout-no-span",
            "all calls start at the same time, so nothing is known about their rate",
            hint="give a log of at least a day",
            field="start_time",
            # A handful of calls is not wrong, it only decides nothing.
            exit_code=ExitCode.BAD_INPUT if len(calls) >= LEAST_CALLS else ExitCode.INCONCLUSIVE,
        )
    rate, interval, blocks = _arrivals(moments, span)
    unit, codes = who_calls(calls)
    measured, missing = measure_guardrails(calls, codes, given)
    return Baseline(
        calls=len(calls),
        span_s=span,
        rate_per_s=rate,
        rate=interval,
        blocks=blocks,
        units=int(codes.max()) + 1 if unit else 0,
        unit=unit,
        arrivals=_by_hour(moments, rate),
        measured=measured,
        missing=missing,
    )


def who_calls(calls: CallsTable) -> tuple[str, npt.NDArray[np.int64]]:
    """The column that names who calls (empty where none does), and ``(N,)`` a number for each.

    Calls that name nobody have -1; where no call does, each has a number of its own.
    """
    unit = next((name for name in ("user_id", "conversation_id") if calls[name].notna().any()), "")
    codes = pd.factorize(calls[unit])[0] if unit else np.arange(len(calls))
    return unit, codes.astype(np.int64)


def _moments(calls: CallsTable) -> npt.NDArray[np.int64]:
    known = pa.array(calls["start_time"].dropna(), type=pa.timestamp("us", tz="UTC"))
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    return np.sort(known.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _by_hour(moments: npt.NDArray[np.int64], rate_per_s: float) -> npt.NDArray[np.float64]:
    hours, passes = clock(moments, _HOUR_S)
    if passes * _HOUR_S < DAY_S:
        return np.full(24, _HOUR_S * rate_per_s)
    return np.bincount(hours, minlength=passes).astype(np.float64)


def _arrivals(moments: npt.NDArray[np.int64], span_s: float) -> tuple[float, Interval, int]:
    # Calls come in bursts: the spread of equal blocks of time knows that, a Poisson law does not.
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy is slow to load

    calls, days = len(moments), round(span_s / DAY_S)
    rate = calls / span_s
    # Blocks of a day each, where there are enough, do not take the daily cycle for chance.
    few = int(np.clip(calls // _CALLS_PER_BLOCK, 2, _MOST_BLOCKS))
    blocks = days if days >= _LEAST_DAYS else few
    counts, _ = np.histogram(moments, bins=blocks)
    spread = float(counts.std(ddof=1))
    if calls < LEAST_CALLS:  # two calls in two blocks are not a steady stream
        spread = max(spread, math.sqrt(calls / blocks))
    error = spread / math.sqrt(blocks)
    reach = float(stdtrit(blocks - 1, 0.95)) * error * blocks / span_s
    return rate, Interval(max(0.0, rate - reach), rate + reach), blocks
