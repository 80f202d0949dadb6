"""The counts of a description, from a calls table; no words yet."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import TOKEN_CLASSES, CallsTable

__all__ = ["Facts", "ModelFacts", "look_at"]

GAP_S = 3600.0
"""A silence of an hour is a gap: no cache entry survives it."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One provider and model: its calls, errors and tokens by class."""

    provider: str
    model: str
    calls: int
    errors: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a description says.

    Attributes:
        calls: number of calls.
        errors: calls with an error type.
        estimated: calls whose tokens are estimated.
        conversations: distinct conversation ids.
        users: distinct user ids.
        domains: distinct isolation domains.
        models: by calls, most first.
        tokens: totals by class, in the order of ``TOKEN_CLASSES``.
        first: first start time, ISO 8601, or empty.
        last: last start time.
        span_s: seconds between them.
        gaps: silences of an hour or more: start in ISO 8601 and length in s, longest first.
        present: share of calls that carry each field worth knowing about.
    """

    calls: int
    errors: int
    estimated: int
    conversations: int
    users: int
    domains: int
    models: tuple[ModelFacts, ...]
    tokens: tuple[int, ...]
    first: str
    last: str
    span_s: float
    gaps: tuple[tuple[str, float], ...]
    present: tuple[tuple[str, float], ...]


_FIELDS = (
    "start_time",
    "conversation_id",
    "user_id",
    "isolation_domain",
    "request_model",
    "input_tokens",
    "duration_s",
    "ttft_s",
    "evaluation_score",
)


def look_at(calls: CallsTable) -> Facts:
    """Count everything in one pass over each column."""
    first, last, span, gaps = _time(calls)
    return Facts(
        calls=len(calls),
        errors=int(calls["error_type"].notna().sum()),
        estimated=int(calls["tokens_estimated"].fillna(value=False).sum()),
        conversations=int(calls["conversation_id"].nunique()),
        users=int(calls["user_id"].nunique()),
        domains=int(calls["isolation_domain"].nunique()),
        models=_models(calls),
        tokens=tuple(int(calls[name].sum()) for name in TOKEN_CLASSES),
        first=first,
        last=last,
        span_s=span,
        gaps=gaps,
        present=_present(calls),
    )


def _present(calls: CallsTable) -> tuple[tuple[str, float], ...]:
    shares = [(name, float(calls[name].notna().mean()) if len(calls) else 0.0) for name in _FIELDS]
    content = pa.array(calls["block_hashes"])
    content = content.combine_chunks() if isinstance(content, pa.ChunkedArray) else content
    lengths = content.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return (*shares, ("prompt blocks", float((lengths > 0).mean()) if len(calls) else 0.0))


def _models(calls: CallsTable) -> tuple[ModelFacts, ...]:
    frame = pd.DataFrame(
        {
            "provider": calls["provider_name"].fillna("unknown").astype(object),
            "model": calls["response_model"]
            .fillna(calls["request_model"])
            .fillna("unknown")
            .astype(object),
            "errors": calls["error_type"].notna().to_numpy(dtype=np.int64),
            "calls": np.ones(len(calls), np.int64),
        }
        | {name: calls[name].fillna(0).to_numpy(dtype=np.int64) for name in TOKEN_CLASSES}
    )
    sums = frame.groupby(["provider", "model"], sort=True).sum()
    sums = sums.sort_values("calls", ascending=False, kind="stable")
    return tuple(
        ModelFacts(
            provider=str(provider),
            model=str(model),
            calls=int(row["calls"]),
            errors=int(row["errors"]),
            tokens=tuple(int(row[name]) for name in TOKEN_CLASSES),
        )
        for (provider, model), row in zip(sums.index, sums.to_dict("records"), strict=True)
    )


def _time(calls: CallsTable) -> tuple[str, str, float, tuple[tuple[str, float], ...]]:
    known = pa.array(calls["start_time"].dropna(), type=pa.timestamp("us", tz="UTC"))
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    moments: npt.NDArray[np.int64] = np.sort(known.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if not len(moments):
        return "", "", 0.0, ()
    silence = np.diff(moments) / 1e6
    places = np.flatnonzero(silence >= GAP_S)
    longest = places[np.argsort(-silence[places], kind="stable")]
    gaps = tuple((_iso(int(moments[at])), float(silence[at])) for at in longest)
    span = float(moments[-1] - moments[0]) / 1e6
    return _iso(int(moments[0])), _iso(int(moments[-1])), span, gaps


def _iso(microseconds: int) -> str:
    return pd.Timestamp(microseconds, unit="us", tz="UTC").isoformat(timespec="seconds")
