"""The table of reliabilities: exact values, paired intervals that cover."""

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.cascades import Ladder, accept_chance, replay
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.reliability import reliability_table

COST = np.array([0.1, 1.0])


def drawn(clusters: int, seed: int) -> Outcomes:
    """Clusters of three requests, alike in difficulty."""
    draw = np.random.default_rng(seed)
    easy = np.repeat(draw.beta(2, 2, clusters), 3)
    n = len(easy)
    weak = draw.random(n) < easy
    strong = draw.random(n) < 0.5 + 0.5 * easy
    quality = np.column_stack([weak, strong]) * 1.0
    return Outcomes(
        ("weak", "strong"), quality, np.tile(COST, (n, 1)), None, np.zeros(n, np.int64), ("all",),
        np.repeat(np.arange(clusters), 3),
    )  # fmt: skip


def test_values_are_those_of_the_replay_and_lie_in_their_intervals() -> None:
    given, ladder = drawn(60, 0), Ladder((0, 1), judge_cost_usd=0.02)
    points = reliability_table(given, ladder, (1.0, 0.8), resamples=300)
    assert [point.reliability for point in points] == [1.0, 0.8]
    for point in points:
        accept = accept_chance(given, ladder, point.reliability, point.reliability)
        served = replay(given, ladder, accept)
        assert point.quality.value == pytest.approx(served.quality.mean())
        assert point.cost_usd.value == pytest.approx(served.cost_usd.mean())
        assert point.difference.value == pytest.approx(
            served.quality.mean() - given.quality[:, 1].mean()
        )
        assert point.times_cheaper.value == pytest.approx(1.0 / served.cost_usd.mean())
        for one in (point.quality, point.cost_usd, point.difference, point.times_cheaper):
            assert one.low is not None
            assert one.high is not None
            assert one.low < one.value < one.high


def test_the_difference_is_paired() -> None:
    point = reliability_table(drawn(200, 1), Ladder((0, 1)), (0.95,))[0]
    widths = [one.high - one.low for one in (point.quality, point.difference)]  # type: ignore[operator]
    # Two independent means of this spread would differ by the square root of two times as much.
    assert widths[1] < 0.75 * 2**0.5 * widths[0]


def test_a_cascade_that_costs_nothing_is_cheaper_by_no_number() -> None:
    given = drawn(10, 2)
    free = Outcomes(
        given.models, given.quality, np.zeros_like(given.cost_usd), None, given.task, given.tasks,
        given.cluster,
    )  # fmt: skip
    point = reliability_table(free, Ladder((0, 1)), (0.9,), resamples=50)[0]
    assert np.isnan(point.times_cheaper.value)
    assert point.times_cheaper.low is None


def test_a_row_without_every_outcome_is_refused() -> None:
    given = drawn(10, 3)
    given.quality[4, 1] = np.nan
    with pytest.raises(LlmopsError, match="1 of 30 requests lack"):
        reliability_table(given, Ladder((0, 1)))


@pytest.mark.slow
def test_intervals_of_the_difference_cover_as_stated() -> None:
    # Both right E[e (1 + e) / 2] = 0.4, only the weak 0.1, only the strong 0.35.
    truth = 0.9 * (0.1 + 0.35) - 0.35
    hits = 0
    for run in range(300):
        point = reliability_table(
            drawn(100, run), Ladder((0, 1)), (0.9,), level=0.9, resamples=400, seed=run
        )[0]
        assert point.difference.low is not None
        assert point.difference.high is not None
        hits += point.difference.low <= truth <= point.difference.high
    assert 0.86 <= hits / 300 <= 0.95
