"""A log as the requests of this question: when they came, how long they took, what they cost.

A call that failed in the log is a request all the same: its duration and tokens are then those
of the median call, because its own say how it failed, not how it would have been answered.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.calls import TOKEN_CLASSES, CallsTable, require
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.load import Load

__all__ = ["Requests", "clock_of", "requests_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LEAST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests in the order they came.

    Attributes:
        arrival_s: ``(n,)`` after the first.
        duration_s: ``(n,)`` seconds to the last byte.
        first_s: ``(n,)`` seconds to the first token; to the last byte where none is logged.
        tokens: ``(n, 5)`` by class of the price book.
        task: ``(n,)`` place in ``tasks``.
        tasks: names of the task classes.
        conversation: ``(n,)`` numbers; each request its own where none is logged.
        error: ``(n,)`` what a call met in the log; empty where it succeeded.
        model: ``(n,)`` that was asked for, or else that answered; empty where neither is logged.
        measured: ``(n,)`` whether the duration is its own, and not that of the median call.
        began: moment of the first.
        filled: requests whose duration or tokens are those of the median call.
    """

    arrival_s: Floats
    duration_s: Floats
    first_s: Floats
    tokens: Ints
    task: Ints
    tasks: tuple[str, ...]
    conversation: Ints
    error: npt.NDArray[np.str_]
    model: npt.NDArray[np.str_]
    measured: Bools
    began: pd.Timestamp
    filled: int

    def __len__(self) -> int:
        """How many requests."""
        return len(self.arrival_s)

    @property
    def period_s(self) -> float:
        """After which the log may begin again: its span and one mean gap."""
        return float(self.arrival_s[-1]) * len(self) / (len(self) - 1)

    def between(self, low_s: float, high_s: float) -> tuple[Load, Ints]:
        """The requests of a stretch of time, the log repeated as often as it takes.

        Returns:
            The load, and the place in this log of each of its requests.
        """
        row, arrivals, numbers = self.rows_between(low_s, high_s)
        return self.load_of(row, arrivals, numbers), row

    def rows_between(self, low_s: float, high_s: float) -> tuple[Ints, Floats, Ints]:
        """Places in this log, arrivals and numbers of the requests of a stretch of time."""
        period = self.period_s
        rounds = np.arange(int(low_s // period), int(high_s // period) + 1)
        places, arrivals, numbers = [], [], []
        for turn in rounds.tolist():
            bounds = np.searchsorted(
                self.arrival_s, [low_s - turn * period, high_s - turn * period]
            )
            part = np.arange(bounds[0], bounds[1])
            places.append(part)
            arrivals.append(self.arrival_s[part] + turn * period)
            numbers.append(part + turn * len(self))
        return np.concatenate(places), np.concatenate(arrivals), np.concatenate(numbers)

    def load_of(self, row: Ints, arrivals_s: Floats, numbers: Ints) -> Load:
        """Some requests of this log, at moments of their own."""
        return Load(
            arrivals_s=arrivals_s.tolist(),
            durations_s=self.duration_s[row].tolist(),
            first_s=self.first_s[row].tolist(),
            tokens=self.tokens[row].sum(axis=1).tolist(),
            numbers=numbers.tolist(),
        )

    def before(self, moment_s: float) -> int:
        """How many requests come before a moment, the log repeated as often as it takes."""
        turn, rest = divmod(moment_s, self.period_s)
        return int(turn) * len(self) + int(np.searchsorted(self.arrival_s, rest))


def clock_of(calls: CallsTable) -> tuple[pd.Timestamp, float]:
    """The first moment of a log, and the seconds after which it may begin again.

    Raises:
        LlmopsError: ``calls-missing-column``; ``failover-no-span`` where the log has fewer than
            two moments.
    """
    require(calls, "start_time")
    moment = _moments(calls[calls["start_time"].notna()])
    if len(moment) < _LEAST or moment.min() == moment.max():
        raise LlmopsError(
            "failover-no-span",
            "the log has fewer than two moments, so nothing can fail for a while in it",
            hint="give a log of hours or days",
            field="start_time",
        )
    span = (moment.max() - moment.min()) / pd.Timedelta(seconds=1)
    return moment.min(), span * len(moment) / (len(moment) - 1)


def _moments(calls: CallsTable) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(calls["start_time"].to_numpy(), utc=True))


def requests_of(calls: CallsTable) -> Requests:
    """Cut the requests out of a log.

    Args:
        calls: with start times and durations; tokens where costs or limits matter.

    Raises:
        LlmopsError: ``calls-missing-column``; ``failover-no-span`` where the log has fewer than
            two moments; ``failover-no-duration`` where no call that succeeded has one.
    """
    require(calls, "duration_s")
    began, _ = clock_of(calls)
    timed = calls[calls["start_time"].notna()].sort_values("start_time", kind="stable")
    moment = _moments(timed)
    error = timed["error_type"].fillna("").to_numpy(dtype=str)
    duration, measured = _durations(timed, error == "")
    tokens, told = _tokens(timed, error == "")
    task = pd.Categorical(timed["task"].fillna("").astype(str))
    return Requests(
        arrival_s=((moment - began) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64),
        duration_s=duration,
        first_s=np.fmin(timed["ttft_s"].to_numpy(dtype=np.float64, na_value=np.nan), duration),
        tokens=tokens,
        task=task.codes.astype(np.int64),
        tasks=tuple(task.categories),
        conversation=_conversations(timed),
        error=error,
        model=_models(timed),
        measured=measured,
        began=began,
        filled=int((~(measured & told)).sum()),
    )


def _durations(timed: pd.DataFrame, succeeded: Bools) -> tuple[Floats, Bools]:
    raw = timed["duration_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = succeeded & np.isfinite(raw) & (raw >= 0)
    if not known.any():
        raise LlmopsError(
            "failover-no-duration",
            "no call that succeeded has a duration",
            hint="latency and timeouts are simulated from it",
            field="duration_s",
        )
    return np.where(known, raw, np.median(raw[known])), known


def _tokens(timed: pd.DataFrame, succeeded: Bools) -> tuple[Ints, Bools]:
    columns = [timed[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in TOKEN_CLASSES]
    tokens = np.stack(columns, axis=1)
    # A class that is not logged is a class that was not used, in a call that has any.
    told = succeeded & np.isfinite(tokens).any(axis=1)
    tokens = np.nan_to_num(tokens)
    usual = np.median(tokens[told], axis=0) if told.any() else np.zeros(len(TOKEN_CLASSES))
    tokens = np.where(told[:, None], tokens, usual)
    return np.rint(tokens).astype(np.int64), told


def _models(timed: pd.DataFrame) -> npt.NDArray[np.str_]:
    found = np.full(len(timed), "", dtype=object)
    for name in ("response_model", "request_model"):
        if name in timed:
            said = timed[name].astype(object).to_numpy()
            found = np.where(pd.isna(said), found, said)
    return found.astype(str)


def _conversations(timed: pd.DataFrame) -> Ints:
    codes, _ = pd.factorize(timed["conversation_id"])
    alone = codes < 0
    return np.where(alone, len(timed) + np.arange(len(timed)), codes).astype(np.int64)
