"""The curves of a comparison: TTFT, hits over time, what iterations are made of, LRU by size."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Series
from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.model import EventKind
from llmops_cli.serving.reuse import block_fill, lru_curve

__all__ = ["comparison_curves"]

Floats = npt.NDArray[np.float64]

_DRAWN = 4
"""Policies that are drawn: with more, no curve can be told from the others."""

_BINS = 40
_SIZES = 24


def comparison_curves(found: Comparison) -> tuple[Series, ...]:
    """Every curve, those of one figure one after the other."""
    drawn = found.played[:_DRAWN]
    return (
        *_ttft(drawn),
        *_hits(found, drawn),
        *sorted(
            (curve for number, played in enumerate(drawn) for curve in _batches(played, number)),
            key=lambda curve: curve.chart,
        ),
        *_lru(found),
    )


def _ttft(drawn: tuple[Played, ...]) -> Iterator[Series]:
    """Cumulative shares at the same seconds for every policy, to the slowest hundredth of any."""
    last = max(played.figures["ttft_p99_s"].value for played in drawn)
    seconds = np.linspace(0, last, _BINS + 1)
    for number, played in enumerate(drawn):
        within = np.searchsorted(np.sort(played.counted.ttft_s), seconds, side="right")
        yield Series(
            name=f"ttft_{number + 1}",
            title=played.policy.name,
            chart="Time to first token",
            x_label="seconds",
            y_label="share of requests within",
            x=tuple(seconds.tolist()),
            y=tuple((within / len(played.counted.ttft_s)).tolist()),
        )


def _hits(found: Comparison, drawn: tuple[Played, ...]) -> Iterator[Series]:
    if not len(found.trace.blocks):
        return
    edges = np.linspace(0, found.trace.arrival_s[-1], _BINS + 1)
    tokens = found.trace.input_tokens.astype(np.float64)
    curves = {
        played.policy.name: (played.outcome.hit_tokens + played.outcome.second_tier_tokens)
        for played in drawn
    }
    for number, (name, hits) in enumerate((curves | {"endless cache": _endless(found)}).items()):
        yield Series(
            name=f"hits_{number + 1}",
            title=name,
            chart="Hit rate over time",
            x_label="seconds into the trace",
            y_label="share of prompt tokens",
            x=tuple(((edges[1:] + edges[:-1]) / 2).tolist()),
            y=_over_time(found.trace.arrival_s, edges, hits.astype(np.float64), tokens),
        )


def _endless(found: Comparison) -> npt.NDArray[np.int64]:
    """Tokens of each request in blocks that an earlier request had."""
    trace = found.trace
    first = np.empty(int(trace.blocks.max()) + 1, np.int64)
    first[trace.blocks[::-1]] = np.arange(len(trace.blocks))[::-1]
    again = np.where(first[trace.blocks] != np.arange(len(trace.blocks)), block_fill(trace), 0)
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(again)])
    return np.diff(running[trace.starts])


def _over_time(
    times: Floats, edges: Floats, above: Floats, below: Floats
) -> tuple[float | None, ...]:
    """A ratio of sums in each stretch of time; None where nothing was."""
    of = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(edges) - 2)
    upper = np.bincount(of, weights=above, minlength=len(edges) - 1)
    lower = np.bincount(of, weights=below, minlength=len(edges) - 1)
    return tuple(u / v if v else None for u, v in zip(upper.tolist(), lower.tolist(), strict=True))


def _batches(played: Played, number: int) -> Iterator[Series]:
    """Mean make-up of the iterations of all replicas over time, where events were kept."""
    events = played.outcome.events
    if events is None:
        return
    rows = (events.kind == EventKind.ITERATION) & (events.value > 0)
    times, count = events.time_s[rows], events.value[rows].astype(np.float64)
    if not len(times):
        return
    edges = np.linspace(0, max(float(times.max()), 1e-9), _BINS + 1)
    made = (
        ("decoding", "decoding sequences", count * events.decoding[rows]),
        ("prefill", "prompt tokens", events.prefill_tokens[rows].astype(np.float64)),
    )
    for kind, what, amounts in made:
        yield Series(
            name=f"batch_{kind}_{number + 1}",
            title=played.policy.name,
            chart=f"{what[:1].upper()}{what[1:]} per iteration",
            x_label="seconds into the replay",
            y_label=f"{what}, mean",
            x=tuple(((edges[1:] + edges[:-1]) / 2).tolist()),
            y=_over_time(times, edges, amounts, count),
        )


def _lru(found: Comparison) -> Iterator[Series]:
    if not len(found.trace.blocks):
        return
    sizes = np.unique(np.geomspace(1, max(found.reuse.distinct, 2), _SIZES).astype(np.int64))
    yield Series(
        name="lru",
        title="Hit rate of one cache by its size",
        x_label="blocks",
        y_label="share of block visits",
        x=tuple(sizes.astype(np.float64).tolist()),
        y=tuple(lru_curve(found.trace, sizes).tolist()),
    )
