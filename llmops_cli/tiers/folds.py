"""Which rows a model learns from, which choose its setting, and which it is scored on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["Fold", "folds"]

Codes = npt.NDArray[np.int64]

_FEWEST = 3
"""A part to learn from, one to choose on and one to score."""

_MOST = 20_000
"""Rows that settings are chosen on; means of more differ by less than they matter."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Three sets of rows (indices), no cluster in two of them.

    Attributes:
        fit: rows a model is fitted on.
        tune: rows on which thresholds and settings are chosen.
        score: rows that neither saw.
        training: rows to choose on where nothing is fitted: both together.
    """

    fit: Codes
    tune: Codes
    score: Codes
    training: Codes


def folds(cluster: Codes, count: int = 5, seed: int = 0) -> tuple[Fold, ...]:
    """Cut the rows into parts of whole clusters; each part is scored once.

    The part after the scored one chooses settings, the others are fitted on, so that neither a
    model nor a threshold has seen the row it is scored on, or its cluster. Of very many rows
    settings are chosen on some.

    Args:
        cluster: ``(n,)`` codes of what belongs together.
        count: parts; fewer where there are fewer clusters.
        seed: which clusters share a part.

    Raises:
        LlmopsError: fewer than three clusters.
    """
    codes, dense, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    if len(codes) < _FEWEST:
        raise LlmopsError(
            "tiers-few-clusters",
            f"{len(codes)} independent groups of requests: three are the least to learn from, "
            "to choose on and to score",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    parts = _parts(sizes, min(count, len(codes)), seed)[dense]
    used = np.unique(parts)
    members = [np.flatnonzero(parts == part) for part in used]
    draw = np.random.default_rng(seed)
    return tuple(_fold(members, at, draw) for at in range(len(members)))


def _parts(sizes: Codes, count: int, seed: int) -> Codes:
    """The part of each cluster: the largest first, each to the part with the fewest rows."""
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    part = np.empty(len(sizes), np.int64)
    if sizes.max() == sizes.min():
        part[order] = np.arange(len(sizes)) % count
        return part
    rows = [0] * count
    for at, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        smallest = rows.index(min(rows))
        part[at] = smallest
        rows[smallest] += size
    return part


def _fold(members: list[Codes], at: int, draw: np.random.Generator) -> Fold:
    after = (at + 1) % len(members)
    fitted = [rows for part, rows in enumerate(members) if part not in (at, after)]
    fit, tune = np.sort(np.concatenate(fitted)), members[after]
    both = np.concatenate([fit, tune])
    return Fold(fit, _thinned(tune, draw), members[at], _thinned(both, draw))


def _thinned(rows: Codes, draw: np.random.Generator) -> Codes:
    """The rows, or some of very many."""
    return rows if len(rows) <= _MOST else np.sort(draw.choice(rows, _MOST, replace=False))
