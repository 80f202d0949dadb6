"""The hull of cost and value: against brute force, many at once against one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.frontier import hulls, least_cost, mean_height, upper_hull

POINTS = st.lists(st.tuples(st.integers(0, 12), st.integers(-6, 6)), min_size=1, max_size=12)


def highest_mix(cost: np.ndarray, value: np.ndarray, at: float) -> float:
    """The greatest value that one point, or a mix of two, has at a cost of no more than ``at``."""
    best = max((v for c, v in zip(cost, value, strict=True) if c <= at), default=-np.inf)
    for i in range(len(cost)):
        for j in range(len(cost)):
            if cost[i] < at < cost[j]:
                share = (at - cost[i]) / (cost[j] - cost[i])
                best = max(best, value[i] + share * (value[j] - value[i]))
    return best


def arrays(points: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    cost, value = np.array(points, dtype=np.float64).T
    return cost, value


@given(POINTS)
def test_the_hull_is_the_best_mix_of_two_points_everywhere(points: list[tuple[int, int]]) -> None:
    cost, value = arrays(points)
    kept = upper_hull(cost, value)
    for at in np.linspace(cost.min(), cost.max() + 1, 23).tolist():
        found = np.interp(at, cost[kept], value[kept])
        assert abs(found - highest_mix(cost, value, at)) <= 1e-12


@given(POINTS)
def test_vertices_rise_in_cost_and_value_ever_less_steeply(points: list[tuple[int, int]]) -> None:
    cost, value = arrays(points)
    kept = upper_hull(cost, value)
    run, rise = np.diff(cost[kept]), np.diff(value[kept])
    assert (run > 0).all()
    assert (rise > 0).all()
    assert (np.diff(rise / run) < 0).all()
    assert cost[kept[0]] == cost.min()
    assert value[kept[-1]] == value.max()


@given(POINTS, st.permutations(range(12)))
def test_the_order_of_points_does_not_matter(
    points: list[tuple[int, int]], order: list[int]
) -> None:
    shuffled = [points[at] for at in order if at < len(points)]
    one, other = (
        {(c[k], v[k]) for k in upper_hull(c, v)} for c, v in (arrays(points), arrays(shuffled))
    )
    assert one == other


def test_many_hulls_at_once_are_the_hulls_one_by_one() -> None:
    draw = np.random.default_rng(0)
    cost, value = draw.integers(0, 30, (200, 15)) / 7, draw.integers(0, 30, (200, 15)) / 3
    found = hulls(cost, value)
    for row in range(200):
        kept = upper_hull(cost[row], value[row])
        at = np.linspace(0, 5, 41)
        own = np.interp(at, cost[row][kept], value[row][kept])
        together = np.interp(at, found.cost[row], found.value[row])
        assert np.abs(own - together)[at >= cost[row].min()].max() <= 1e-12


def area_by_brute_force(cost: np.ndarray, value: np.ndarray, ends: tuple[float, float]) -> float:
    """Trapezoids between all costs of points, each height the best mix there."""
    low, high = ends
    places = np.unique(np.clip(np.append(cost, [low, high]), low, high))
    heights = [highest_mix(cost, value, at) for at in places.tolist()]
    return float(np.trapezoid(heights, places)) / (high - low)


@pytest.mark.parametrize("points", [1, 2, 5, 40])
def test_the_mean_height_is_the_brute_force_area(points: int) -> None:
    draw = np.random.default_rng(points)
    for _ in range(20):
        cost, value = draw.random(points), draw.random(points)
        low, high = float(cost.min()), float(cost.max()) + 0.5
        found = mean_height(
            hulls(cost[None], value[None]), np.array([low]), np.array([high]), np.zeros(1)
        )
        assert abs(found[0] - area_by_brute_force(cost, value, (low, high))) <= 1e-12


def test_routerbench_divides_the_same_area_by_the_greatest_cost() -> None:
    # Its AIQ is the area from the cheapest point on over the greatest cost, not over the range.
    draw = np.random.default_rng(9)
    cost, value = draw.uniform(1, 5, 30), draw.random(30)
    low, high = float(cost.min()), float(cost.max())
    kept = upper_hull(cost, value)
    theirs = (
        float(np.trapezoid(np.append(value[kept], value[kept[-1]]), np.append(cost[kept], high)))
        / high
    )
    ours = mean_height(
        hulls(cost[None], value[None]), np.array([low]), np.array([high]), np.zeros(1)
    )[0]
    assert ours * (high - low) / high == pytest.approx(theirs, abs=1e-12)


def test_left_of_the_cheapest_point_the_floor_counts() -> None:
    found = mean_height(
        hulls(np.array([[2.0]]), np.array([[1.0]])), np.zeros(1), np.array([4.0]), np.array([0.5])
    )
    assert found[0] == pytest.approx(0.75)


def test_no_range_has_no_mean_height() -> None:
    found = mean_height(hulls(np.ones((1, 2)), np.ones((1, 2))), np.ones(1), np.ones(1), np.ones(1))
    assert np.isnan(found[0])


@given(POINTS, st.floats(-6, 6))
def test_the_least_cost_reaches_the_value_and_no_lower_cost_does(
    points: list[tuple[int, int]], target: float
) -> None:
    cost, value = arrays(points)
    found = float(least_cost(hulls(cost[None], value[None]), np.array([target]))[0])
    if target > value.max():
        assert found == np.inf
        return
    assert highest_mix(cost, value, found) >= target - 1e-9
    if found > cost.min():
        assert highest_mix(cost, value, found - 1e-6) < target + 1e-9


@pytest.mark.parametrize(
    ("cost", "value"),
    [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([1.0], [np.inf])],
)
def test_what_is_no_set_of_points_is_refused(cost: list[float], value: list[float]) -> None:
    with pytest.raises(ValueError, match="hull"):
        upper_hull(np.array(cost), np.array(value))
