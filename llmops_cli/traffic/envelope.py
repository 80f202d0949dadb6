"""What surrounds a request and its response in a log line, under the names teams give it."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "MOST_TOKENS",
    "Envelope",
    "Moment",
    "Seconds",
    "Tokens",
    "enveloped",
    "instants",
    "later",
    "microseconds",
    "started",
]

MOST_TOKENS = 500_000_000
"""No model reads half a billion tokens at once, and sums stay inside 32 bits."""

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
"""A counter."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Moment = str | float | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH).days * 86_400_000_000
# Larger than any plausible count of the coarser unit (year 5138), smaller than today in the finer.
_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (0.0, 1e6))


class Failure(msgspec.Struct):
    """The body of a provider's error."""

    type: str | None = None
    code: str | int | None = None

    @property
    def name(self) -> str:
        """What it calls itself; its code is finer than its type."""
        found = self.type if self.code is None else self.code
        return "error" if found is None else str(found)


class Envelope(msgspec.Struct):
    """Fields beside ``request`` and ``response``; every synonym is a field of its own."""

    timestamp: Moment = None
    start_time: Moment = None
    created_at: Moment = None
    time: Moment = None
    ts: Moment = None
    conversation_id: str | int | None = None
    session_id: str | int | None = None
    thread_id: str | int | None = None
    user_id: str | int | None = None
    user: str | int | None = None
    workspace: str | None = None
    workspace_id: str | None = None
    organization_id: str | None = None
    task: str | None = None
    provider: str | None = None
    request_id: str | None = None
    duration_s: Seconds | None = None
    duration_ms: Seconds | None = None
    latency_s: Seconds | None = None
    latency_ms: Seconds | None = None
    ttft_s: Seconds | None = None
    ttft_ms: Seconds | None = None
    evaluation_score: float | None = None
    score: float | None = None
    error: Failure | str | None = None

    def shared(self) -> dict[str, Any]:
        """The columns of the calls table that the envelope fills; none for what is absent."""
        found = (
            ("start_time", self._start()),
            ("conversation_id", _first(self.conversation_id, self.session_id, self.thread_id)),
            ("user_id", _first(self.user_id, self.user)),
            ("isolation_domain", _first(self.workspace, self.workspace_id, self.organization_id)),
            ("task", self.task),
            (
                "duration_s",
                _seconds(self.duration_s, self.latency_s, self.duration_ms, self.latency_ms),
            ),
            ("ttft_s", _seconds(self.ttft_s, None, self.ttft_ms, None)),
            ("evaluation_score", _first(self.evaluation_score, self.score)),
            ("error_type", self._error()),
        )
        return {name: value for name, value in found if value is not None}

    def _start(self) -> int | None:
        for name in ("timestamp", "start_time", "created_at", "time", "ts"):
            value: Moment = getattr(self, name)
            if value is not None:
                return microseconds(value, name)
        return None

    def _error(self) -> object:
        if isinstance(self.error, Failure):
            return _first(self.error.type, self.error.code, "error")
        return self.error


def enveloped(columns: dict[str, Any], line: Envelope) -> dict[str, Any]:
    """Columns of the bodies under those of the envelope, which is the team's own word."""
    filled = columns | line.shared()
    if filled.get("call_id") is None:
        filled["call_id"] = line.request_id
    return filled


def started(value: Moment, field: str) -> int | None:
    """An optional instant as microseconds since 1970.

    Raises:
        RowError: ``calls-bad-time``.
    """
    return None if value is None else microseconds(value, field)


def later(start: int, end: int, field: str) -> float:
    """Seconds between two instants in microseconds.

    Raises:
        RowError: ``calls-negative-duration``.
    """
    if end < start:
        raise RowError("calls-negative-duration", "it lies before the start of the call", field)
    return (end - start) / 1e6


def microseconds(value: str | float, field: str) -> int:
    """An instant as microseconds since 1970: ISO 8601 text, or epoch seconds to nanoseconds.

    Text without a zone is read as UTC.

    Raises:
        RowError: ``calls-bad-time``.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            # Exact: a float of seconds loses microseconds.
            since = moment - _EPOCH
            found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        else:
            found = round(value * _factor(value))
    except (ValueError, OverflowError, StopIteration):
        found = -1
    if not 0 <= found < _LATEST:
        raise RowError(
            "calls-bad-time", "not a time: ISO 8601 or seconds since 1970 is expected", field
        )
    return found


def instants(values: list[Moment]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Seconds since 1970 as :func:`microseconds` has them, and which of the values are such."""
    try:
        seconds = pa.array(values, pa.float64())
    except pa.ArrowInvalid:  # texts among them
        seconds = pa.array([v if isinstance(v, float) else None for v in values], pa.float64())
    given = seconds.to_numpy(zero_copy_only=False)
    least, factor = _UNITS[-1]
    known = (given >= least) & (given < _UNITS[-2][0])
    found = np.rint(np.where(known, given, 0.0) * factor).astype(np.int64)
    return found, known & (found < _LATEST)


def _factor(value: float) -> float:
    if 0 <= value < _UNITS[2][0]:
        return _UNITS[3][1]  # seconds, as nearly every log has them
    return next(factor for least, factor in _UNITS if value >= least)


def _first(one: object, other: object, third: object = None) -> object:
    found = one if one is not None else other if other is not None else third
    # Identifiers that are numbers are still identifiers.
    return str(found) if type(found) is int else found


def _seconds(
    seconds: float | None,
    also_seconds: float | None,
    milliseconds: float | None,
    also_milliseconds: float | None,
) -> float | None:
    found = seconds if seconds is not None else also_seconds
    if found is not None:
        return found
    found = milliseconds if milliseconds is not None else also_milliseconds
    return None if found is None else found / 1000
