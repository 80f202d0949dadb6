"""Intervals of anything computed from a table of counts, by resampling its cases or clusters."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import bootstrap_statistic, percentiles
from llmops_cli.stats.intervals import Interval

__all__ = ["bootstrap_clustered_table", "bootstrap_table"]

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
    total = int(table.sum())
    if total < 1:
        raise ValueError("a bootstrap needs at least one case")
    draw = np.random.default_rng(seed).multinomial(total, table.ravel() / total, size=resamples)
    return percentiles(statistic(draw.reshape(resamples, *table.shape).astype(np.float64)), level)


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
    shape = tables.shape[1:]
    return bootstrap_statistic(
        tables.reshape(len(tables), -1).astype(np.float64),
        lambda totals: statistic(totals.reshape(-1, *shape)),
        level=level,
        resamples=resamples,
        seed=seed,
    )
