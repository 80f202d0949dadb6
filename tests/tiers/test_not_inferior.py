"""Non-inferiority and simultaneous bounds, against scipy and statsmodels on the bare rows."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from llmops_cli.tiers.assignment_evidence import shown
from llmops_cli.tiers.cells import cells_of
from llmops_cli.tiers.outcomes import Outcomes

ALPHA, LEAST = 0.05, 30


def drawn(seed: int) -> Outcomes:
    """Three classes and four models; clusters of one to four rows; some answers are missing."""
    draw = np.random.default_rng(seed)
    n = 500
    quality = (draw.random((n, 4)) < [0.8, 0.86, 0.84, 0.88]) * 1.0
    quality[draw.random((n, 4)) < 0.05] = np.nan
    return Outcomes(
        tuple("abcd"), quality, np.tile([1.0, 2.0, 3.0, 9.0], (n, 1)), None,
        draw.integers(0, 3, n), ("x", "y", "z"), np.sort(draw.integers(0, 220, n)),
    )  # fmt: skip


def by_rows(given: Outcomes, task: int, model: int) -> tuple[float, float, float]:
    """Mean paired difference to the last model, its error and freedom, one cluster at a time.

    One win and one loss are added as two clusters of one row.
    """
    rows = (given.task == task) & ~np.isnan(given.quality[:, [model, 3]]).any(axis=1)
    difference = given.quality[rows, model] - given.quality[rows, 3]
    names = given.cluster[rows]
    n = rows.sum() + 2
    centre = difference.sum() / n
    sums = [((difference - centre)[names == name]).sum() for name in np.unique(names)]
    sums += [1 - centre, -1 - centre]
    return difference.mean(), float(np.sqrt(np.sum(np.square(sums)))) / n, len(sums) - 3


@pytest.mark.parametrize("seed", range(4))
def test_claims_are_those_of_holm_in_statsmodels(seed: int) -> None:
    given = drawn(seed)
    cells = cells_of(given, 3)
    found = shown(cells, cells.totals(), alpha=ALPHA, min_rows=LEAST)
    margin = np.array([0.10, 0.14, 0.18])
    pairs = [(task, model) for task in range(3) for model in range(3)]
    p_values = []
    for task, model in pairs:
        mean, error, freedom = by_rows(given, task, model)
        p_values.append(float(stats.t.sf((mean + margin[task]) / error, freedom)))
    claimed = multipletests(p_values, alpha=ALPHA, method="holm")[0]
    ours = found.not_inferior(margin, ALPHA)
    assert [bool(ours[pair]) for pair in pairs] == claimed.tolist()
    assert ours[:, 3].all()


def test_some_claims_are_made_and_some_are_not() -> None:
    said: set[bool] = set()
    for seed in range(4):
        cells = cells_of(drawn(seed), 3)
        found = shown(cells, cells.totals(), alpha=ALPHA, min_rows=LEAST)
        said |= set(found.not_inferior(np.array([0.10, 0.14, 0.18]), ALPHA)[:, :3].ravel().tolist())
    assert said == {True, False}


def test_lower_bounds_are_those_of_the_rows() -> None:
    given = drawn(1)
    cells = cells_of(given, 3)
    found = shown(cells, cells.totals(), alpha=ALPHA, min_rows=LEAST)
    for task in range(3):
        base = np.nanmean(given.quality[given.task == task, 3])
        for model in range(3):
            mean, error, freedom = by_rows(given, task, model)
            low = base + mean - stats.t.ppf(1 - ALPHA / 9, freedom) * error
            assert found.low[task, model] == pytest.approx(low)
