"""Intervals of anything computed from a table of counts, by resampling its cases or clusters."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import percentiles, pooled_totals
from llmops_cli.stats.intervals import Interval

__all__ = ["bootstrap_clustered_table", "bootstrap_table", "drawn_cluster_tables", "drawn_tables"]

Floats = npt.NDArray[np.float64]
TableStatistic = Callable[[Floats], Floats]


def bootstrap_table(
    table: npt.NDArray[np.int64],
    statistic: TableStatistic,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval over independent cases.

    Args:
        table: counts of any shape; each count is that many cases.
        statistic: maps ``(R, *shape)`` resampled tables to ``(R,)`` values; NaN is left out.
        level: two-sided confidence.
        resamples: number of resamples R.
        seed: seed of the generator.

    Raises:
        ValueError: an empty table, or no resample with a finite value.

    Source:
        Efron (1979), Annals of Statistics 7:1-26: resampled counts are multinomial.
    """
    return percentiles(statistic(drawn_tables(table, resamples=resamples, seed=seed)), level)


def bootstrap_clustered_table(
    tables: npt.NDArray[np.int64],
    statistic: TableStatistic,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval over whole clusters.

    Args:
        tables: ``(G, *shape)`` counts of each cluster.
        statistic: as :func:`bootstrap_table`.
        level: two-sided confidence.
        resamples: number of resamples R.
        seed: seed of the generator.

    Raises:
        ValueError: fewer than two clusters, or no resample with a finite value.

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    drawn = drawn_cluster_tables(tables, resamples=resamples, seed=seed)
    return percentiles(statistic(drawn), level)


def drawn_tables(table: npt.NDArray[np.int64], *, resamples: int = 2000, seed: int = 0) -> Floats:
    """``(R, *shape)`` tables of resampled cases, for several statistics of the same resamples.

    Args:
        table: counts of any shape; each count is that many cases.
        resamples: number of resamples R.
        seed: seed of the generator.

    Raises:
        ValueError: an empty table.
    """
    total = int(table.sum())
    if total < 1:
        raise ValueError("a bootstrap needs at least one case")
    draw = np.random.default_rng(seed).multinomial(total, table.ravel() / total, size=resamples)
    return draw.reshape(resamples, *table.shape).astype(np.float64)


def drawn_cluster_tables(
    tables: npt.NDArray[np.int64], *, resamples: int = 2000, seed: int = 0
) -> Floats:
    """``(R, *shape)`` tables of resampled clusters, likewise.

    Args:
        tables: ``(G, *shape)`` counts of each cluster.
        resamples: number of resamples R.
        seed: seed of the generator.

    Raises:
        ValueError: fewer than two clusters.
    """
    flat = tables.reshape(len(tables), -1).astype(np.float64)
    drawn = pooled_totals(flat, resamples=resamples, seed=seed)
    return drawn.reshape(-1, *tables.shape[1:])
