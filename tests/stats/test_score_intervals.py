"""Intervals of calibration and abstention: their figures are the plain ones, and they cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats import score_intervals
from llmops_cli.stats.calibration import brier_split, calibration_error, equal_mass_bins
from llmops_cli.stats.score_intervals import brier_intervals, risk_coverage_intervals
from llmops_cli.stats.selective import risk_coverage

cases = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3, 0.35, 0.6, 0.9]), st.integers(0, 1)),
    min_size=2,
    max_size=60,
)


@given(cases)
def test_totals_of_bins_give_the_plain_figures(rows: list[tuple[float, int]]) -> None:
    stated, outcomes = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    bins = equal_mass_bins(stated, outcomes)
    totals = score_intervals._spread(  # noqa: SLF001 - the figures that are resampled
        bins, int(bins.max()) + 1, (np.ones(len(bins)), stated - outcomes, outcomes)
    ).sum(axis=0)[None]
    split = brier_split(stated, outcomes)
    base = float(score_intervals._base(totals)[0])  # noqa: SLF001
    found = [
        np.abs(score_intervals._gaps(totals)).sum(),  # noqa: SLF001
        (score_intervals._scaled_gaps(totals) ** 2).sum(),  # noqa: SLF001
        (score_intervals._departures(totals) ** 2).sum(),  # noqa: SLF001
        base * (1 - base),
    ]
    wanted = [calibration_error(stated, outcomes)[0], split.reliability, split.resolution,
              split.uncertainty]  # fmt: skip
    assert found == pytest.approx(wanted, abs=1e-12)


@given(cases)
def test_totals_of_cells_give_the_plain_areas(rows: list[tuple[float, int]]) -> None:
    sure, wrong = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    codes = np.unique(-sure, return_inverse=True)[1]
    totals = score_intervals._spread(  # noqa: SLF001
        codes, int(codes.max()) + 1, (np.ones(len(codes)), wrong)
    ).sum(axis=0)[None]
    plain = risk_coverage(sure, wrong)
    assert float(score_intervals._area(totals)[0]) == pytest.approx(plain.area, abs=1e-4)  # noqa: SLF001
    assert float(score_intervals._excess(totals)[0]) == pytest.approx(  # noqa: SLF001
        plain.excess_area, abs=1e-4
    )


def forecasts(n: int, seed: int, bend: float) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    stated = draw.uniform(0.05, 0.95, n)
    return stated, (draw.random(n) < stated + bend * stated * (1 - stated)).astype(float)


def test_copies_in_a_cluster_buy_no_confidence() -> None:
    stated, came = forecasts(300, 1, 0.4)
    widths: list[float] = []
    for copies in (1, 5):
        p, y = np.repeat(stated, copies), np.repeat(came, copies)
        clusters = np.repeat(np.arange(300), copies)
        found = brier_intervals(p, y, equal_mass_bins(p, y), clusters)
        assert found is not None
        widths.append(found.calibration_error.high - found.calibration_error.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_one_cluster_has_no_interval() -> None:
    stated, came = forecasts(50, 2, 0.0)
    one = np.zeros(50, np.int64)
    assert brier_intervals(stated, came, equal_mass_bins(stated, came), one) is None
    assert risk_coverage_intervals(stated, came, one) is None


@pytest.mark.slow
@pytest.mark.parametrize("bend", [0.0, 0.3, -0.6])
@pytest.mark.parametrize("n", [300, 3000])
def test_intervals_cover(bend: float, n: int) -> None:
    big = forecasts(1_000_000, 12345, bend)
    split = brier_split(*big)
    # By decile the forecasts are off by the mean of |bend p (1 - p)| in the population.
    truth = {
        "calibration_error": abs(bend) * float((big[0] * (1 - big[0])).mean()),
        "resolution": split.resolution,
        "uncertainty": split.uncertainty,
    }
    runs, hits = 100, dict.fromkeys(truth, 0)
    area, excess = 0, 0
    wrong = risk_coverage(np.abs(big[0] - 0.5), ((big[0] > 0.5) != big[1]).astype(float))
    for seed in range(runs):
        stated, came = forecasts(n, seed, bend)
        found = brier_intervals(stated, came, equal_mass_bins(stated, came))
        assert found is not None
        for name, value in truth.items():
            hits[name] += getattr(found, name).low <= value <= getattr(found, name).high
        both = risk_coverage_intervals(np.abs(stated - 0.5), ((stated > 0.5) != came).astype(float))
        assert both is not None
        area += both[0].low <= wrong.area <= both[0].high
        excess += both[1].low <= wrong.excess_area <= both[1].high
    assert min(*hits.values(), area, excess) / runs >= 0.88, (hits, area, excess)
