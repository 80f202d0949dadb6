"""Rows that belong together: how alike they are, and how many independent rows they are worth."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.beta import beta_quantile, student_quantile
from llmops_cli.stats.intervals import Interval

__all__ = ["Clustering", "clustered_share_interval", "clustering", "effective_share_interval"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clustering:
    """How rows of a cluster resemble each other.

    Attributes:
        clusters: how many there are.
        rows: in all of them.
        correlation: of two rows of the same cluster, as estimated, negative values included.
        design_effect: variance of a mean over that of as many independent rows; at least 1.
    """

    clusters: int
    rows: int
    correlation: float
    design_effect: float

    @property
    def effective_rows(self) -> float:
        """Independent rows that would say as much about a mean."""
        return self.rows / self.design_effect


def clustering(sums: Floats, squares: Floats | None = None) -> Clustering:
    """Intracluster correlation by analysis of variance, and the design effect it makes.

    Args:
        sums: ``(G, 2)`` sum of the values and number of rows of each cluster.
        squares: ``(G,)`` sum of the squared values; left out for values that are 0 or 1.

    Returns:
        The estimate; correlation 0 where no cluster has two rows or nothing varies.

    Raises:
        ValueError: fewer than two clusters, or a cluster without rows.

    Source:
        Analysis-of-variance estimator: Ridout, Demetrio and Firth (1999), Biometrics
        55:137-148; design effect with unequal clusters, 1 + (sum m^2 / sum m - 1)
        rho: Kish (1965), Survey Sampling.
    """
    groups = len(sums)
    totals, sizes = sums[:, 0], sums[:, 1]
    if groups < 2 or not (sizes > 0).all():  # noqa: PLR2004 - one cluster cannot be compared
        raise ValueError("clustering needs two clusters, each with at least one row")
    rows = float(sizes.sum())
    correlation = 0.0
    if rows > groups:
        every = float(totals.sum() if squares is None else squares.sum())
        of_means = float((totals**2 / sizes).sum())
        between = (of_means - float(totals.sum()) ** 2 / rows) / (groups - 1)
        within = max(every - of_means, 0.0) / (rows - groups)
        typical = (rows - float((sizes**2).sum()) / rows) / (groups - 1)
        spread = between + (typical - 1) * within
        correlation = (between - within) / spread if spread > 0 else 0.0
    weighted = float((sizes**2).sum()) / rows
    effect = max(1.0, 1 + (weighted - 1) * correlation)
    return Clustering(groups, int(rows), correlation, effect)


def clustered_share_interval(successes: int, found: Clustering, level: float = 0.95) -> Interval:
    """The exact interval of a share, from as many rows as the clusters are worth.

    Args:
        successes: rows that succeeded, of ``found.rows``.
        found: the clustering of these rows.
        level: two-sided confidence; either end alone has ``(1 + level) / 2``.

    Returns:
        The interval; all of [0, 1] with fewer than two clusters.

    Raises:
        ValueError: counts that are not a share, or a level outside (0, 1).

    Source:
        Korn and Graubard (1998), Survey Methodology 24:193-201: Clopper-Pearson at the
        effective sample size, shrunk by the ratio of Student quantiles with as many degrees
        of freedom as rows and as clusters. As they advise, no success or no failure leaves
        the design effect unknown; then every cluster counts as one row.
    """
    if not (0 <= successes <= found.rows and found.rows >= 1):
        raise ValueError(f"{successes} successes out of {found.rows} is not a share")
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    if found.clusters < 2:  # noqa: PLR2004 - one cluster says nothing about another
        return Interval(0.0, 1.0)
    tail = (1 - level) / 2
    unknown = successes in (0, found.rows)
    n = float(found.clusters) if unknown else found.effective_rows
    if not unknown:
        n *= (
            student_quantile(found.rows - 1, tail) / student_quantile(found.clusters - 1, tail)
        ) ** 2
    return effective_share_interval(successes / found.rows, n, level)


def effective_share_interval(share: float, n: float, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval at a number of rows that need not be whole.

    Args:
        share: of successes.
        n: independent rows that would say as much, above 0.
        level: two-sided confidence.

    Raises:
        ValueError: what is no share, no number of rows, or a level outside (0, 1).

    Source:
        Korn and Graubard (1998), as :func:`clustered_share_interval`.
    """
    if not (0 <= share <= 1 and 0 < n < math.inf and 0 < level < 1):
        raise ValueError("an interval needs a share, rows and a level between 0 and 1")
    tail, hits = (1 - level) / 2, n * share
    low = beta_quantile(hits, n - hits + 1, tail) if hits > 0 else 0.0
    high = beta_quantile(hits + 1, n - hits, 1 - tail) if hits < n else 1.0
    return Interval(low, high)
