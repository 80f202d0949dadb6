"""Group-sequential boundaries: published tables, an adjoint recursion, quadrature, simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from llmops_cli.stats.group_sequential import (
    crossing_probabilities,
    obrien_fleming_bounds,
    pocock_bounds,
    spending_bounds,
    wang_tsiatis_bounds,
)
from llmops_cli.stats.spending import (
    Spending,
    hwang_shih_decani_spending,
    obrien_fleming_spending,
    pocock_spending,
    power_spending,
)

FIFTHS = np.arange(1, 6) / 5
STAGES = np.array([0.05, 0.10, 0.25, 0.50, 1.0])
UNEVEN = np.array([0.1, 0.13, 0.5, 0.55, 1.0])


def test_published_boundaries_two_sided_five_percent() -> None:
    # Jennison and Turnbull (2000), tables 2.1 and 2.3.
    pocock = [float(pocock_bounds(k, 0.05, two_sided=True)[0]) for k in range(1, 6)]
    fleming = [float(obrien_fleming_bounds(k, 0.05, two_sided=True)[-1]) for k in range(1, 6)]
    assert np.round(pocock, 4).tolist() == [1.9600, 2.1783, 2.2895, 2.3613, 2.4132]
    assert np.round(fleming, 4).tolist() == [1.9600, 1.9774, 2.0040, 2.0243, 2.0401]


@pytest.mark.parametrize(
    ("looks", "z"),
    [(2, [2.797, 1.977]), (3, [3.471, 2.454, 2.004]), (4, [4.049, 2.863, 2.337, 2.024]),
     (5, [4.562, 3.226, 2.634, 2.281, 2.040])],
)  # fmt: skip
def test_published_obrien_fleming_boundaries_at_each_look(looks: int, z: list[float]) -> None:
    found = obrien_fleming_bounds(looks, 0.05, two_sided=True)
    assert np.round(found, 3).tolist() == z


def test_published_nominal_levels_of_obrien_and_fleming() -> None:
    p = 2 * norm.sf(obrien_fleming_bounds(5, 0.05, two_sided=True))
    assert np.round(p, 5).tolist() == [0.00001, 0.00126, 0.00845, 0.02256, 0.04134]


@pytest.mark.parametrize(
    ("two_sided", "alpha", "pocock", "fleming"),
    [
        (True, 0.01, [2.7718, 2.8730, 2.9387, 2.9863], [2.5796, 2.5949, 2.6091, 2.6212]),
        (False, 0.05, [1.8754, 1.9922, 2.0674, 2.1217], [1.6780, 1.7096, 1.7331, 1.7509]),
    ],
)
def test_boundaries_of_other_levels(
    alpha: float, pocock: list[float], fleming: list[float], *, two_sided: bool
) -> None:
    found = [pocock_bounds(k, alpha, two_sided=two_sided)[0] for k in range(2, 6)]
    assert np.round(found, 4).tolist() == pocock
    found = [obrien_fleming_bounds(k, alpha, two_sided=two_sided)[-1] for k in range(2, 6)]
    assert np.round(found, 4).tolist() == fleming


LAN_DEMETS = [
    (obrien_fleming_spending, [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
    (pocock_spending, [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
    (hwang_shih_decani_spending(-4), [3.2527, 2.9860, 2.6917, 2.3737, 2.0253]),
    (hwang_shih_decani_spending(1), [2.4487, 2.4190, 2.3984, 2.3912, 2.3948]),
    (power_spending(1), [2.5758, 2.4920, 2.4108, 2.3391, 2.2755]),
    (power_spending(2), [3.0902, 2.7141, 2.4728, 2.2799, 2.1140]),
    (power_spending(3), [3.5401, 2.9743, 2.6045, 2.3064, 2.0455]),
]


@pytest.mark.parametrize(("spending", "z"), LAN_DEMETS)
@pytest.mark.parametrize(("alpha", "two_sided"), [(0.025, False), (0.05, True)])
def test_spending_boundaries_of_five_even_looks(
    spending: Spending, z: list[float], alpha: float, *, two_sided: bool
) -> None:
    found = spending_bounds(FIFTHS, alpha, spending, two_sided=two_sided)
    assert np.round(found, 4).tolist() == z


def test_spending_boundaries_of_rollout_stages() -> None:
    fleming = spending_bounds(STAGES, 0.025, obrien_fleming_spending)
    assert np.round(fleming[:2], 2).tolist() == [9.96, 6.99]
    assert np.round(fleming[2:], 3).tolist() == [4.333, 2.963, 1.969]
    pocock = spending_bounds(STAGES, 0.025, pocock_spending)
    assert np.round(pocock[:4], 3).tolist() == [2.869, 2.829, 2.534, 2.389]
    # 2.2325 to four digits, which the reference prints as 2.233.
    assert pocock[4] == pytest.approx(2.23248, abs=5e-6)


@pytest.mark.parametrize(
    ("looks", "error"),
    [(1, 0.0500), (2, 0.0831), (3, 0.1073), (4, 0.1262), (5, 0.1417), (10, 0.1934), (24, 0.2624)],
)
def test_naive_peeking_multiplies_the_error(looks: int, error: float) -> None:
    naive = np.full(looks, norm.ppf(0.975))
    found = crossing_probabilities(np.arange(1.0, looks + 1), -naive, naive)
    assert round(found.total, 4) == error


def backwards(
    information: np.ndarray, lower: np.ndarray, upper: np.ndarray, drift: float, look: int
) -> float:
    """Chance to cross the upper boundary first at one look, by the adjoint of the recursion.

    From that look back to the first, on one Gauss rule per look in the scale of z: no panels,
    no densities carried forward.
    """
    times = information / information[-1]
    nodes, weights = np.polynomial.legendre.leggauss(300)

    def step(k: int) -> tuple[float, float]:
        passed = times[k] - (times[k - 1] if k else 0)
        return drift * passed, math.sqrt(passed)

    def crossing(k: int, score: np.ndarray) -> np.ndarray:
        mean, deviation = step(k)
        return norm.sf((upper[k] * math.sqrt(times[k]) - score - mean) / deviation)

    def worth(score: np.ndarray, k: int) -> np.ndarray:
        if k == look:
            return crossing(k, score)
        root = math.sqrt(times[k])
        low = max(lower[k], drift * root - 9)
        z = low + (min(upper[k], drift * root + 9) - low) * (nodes + 1) / 2
        mean, deviation = step(k)
        away = (z[None, :] * root - score[:, None] - mean) / deviation
        kernel = np.exp(-(away**2) / 2) / math.sqrt(2 * math.pi) / deviation
        scaled = weights * (z[-1] - z[0]) / (nodes[-1] - nodes[0]) * root
        return kernel @ (scaled * worth(z * root, k + 1))

    return float(worth(np.zeros(1), 0)[0])


@pytest.mark.parametrize("drift", [0.0, 2.8])
@pytest.mark.parametrize("lower", [np.full(5, -np.inf), np.array([-2.0, -1.5, 0.1, 0.3, 1.6])])
def test_uneven_looks_agree_with_the_adjoint_recursion(lower: np.ndarray, drift: float) -> None:
    upper = spending_bounds(UNEVEN, 0.025, pocock_spending)
    found = crossing_probabilities(UNEVEN, lower, upper, drift)
    expected = [backwards(UNEVEN, lower, upper, drift, look) for look in range(5)]
    assert np.abs(found.upper - expected).max() < 1e-10
    mirrored = [backwards(UNEVEN, -upper, -lower, -drift, look) for look in range(5)]
    assert np.abs(found.lower - mirrored).max() < 1e-10


@pytest.mark.parametrize("spending", [obrien_fleming_spending, pocock_spending, power_spending(2)])
@pytest.mark.parametrize("two_sided", [False, True])
def test_boundaries_at_uneven_looks_spend_what_they_may_by_the_adjoint_recursion(
    spending: Spending, *, two_sided: bool
) -> None:
    z = spending_bounds(UNEVEN, 0.05, spending, two_sided=two_sided)
    lower = -z if two_sided else np.full(5, -np.inf)
    spent = np.diff(spending(UNEVEN, 0.025 if two_sided else 0.05), prepend=0)
    for look in range(5):
        slope = norm.pdf(z[look]) / 50  # no boundary may be off by more than about 1e-9
        assert abs(backwards(UNEVEN, lower, z, 0.0, look) - spent[look]) < max(1e-9 * slope, 1e-14)


@pytest.mark.parametrize("times", [(0.3, 1.0), (0.05, 0.06)])
def test_two_looks_agree_with_adaptive_quadrature(times: tuple[float, float]) -> None:
    first, second = times
    z, step = 2.1, math.sqrt(second - first)

    def crossed(score: float) -> float:
        density = norm.pdf(score / math.sqrt(first)) / math.sqrt(first)
        return density * norm.sf((z * math.sqrt(second) - score) / step)

    top = z * math.sqrt(first)
    expected = quad(crossed, -9 * math.sqrt(first), top, points=[0, top - step], epsabs=1e-14,
                    epsrel=1e-12, limit=400)[0]  # fmt: skip
    bounds = np.full(2, z)
    found = crossing_probabilities(np.array(times), np.full(2, -np.inf), bounds)
    assert math.isclose(found.upper[1], expected, abs_tol=1e-12)


def test_three_looks_agree_with_the_multivariate_normal_law() -> None:
    times, z = np.array([0.2, 0.5, 1.0]), np.array([2.4, 2.2, 2.0])
    covariance = np.minimum.outer(times, times) / np.sqrt(np.outer(times, times))
    inside = multivariate_normal(np.zeros(3), covariance).cdf(z, lower_limit=-z)
    assert math.isclose(1 - crossing_probabilities(times, -z, z).total, inside, abs_tol=2e-5)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.02, 3), min_size=1, max_size=7),
    st.floats(0.005, 0.3),
    st.sampled_from([row[0] for row in LAN_DEMETS]),
    st.booleans(),
)
def test_any_looks_spend_the_whole_budget(
    steps: list[float],
    alpha: float,
    spending: Spending,
    two_sided: bool,  # noqa: FBT001
) -> None:
    information = np.cumsum(steps)
    z = spending_bounds(information, alpha, spending, two_sided=two_sided)
    lower = -z if two_sided else np.full(len(z), -np.inf)
    found = crossing_probabilities(information, lower, z)
    assert math.isclose(found.total, alpha, rel_tol=1e-9)
    scaled = spending_bounds(7 * information, alpha, spending, two_sided=two_sided)
    assert np.allclose(scaled, z, atol=1e-9)


def test_a_look_does_not_change_the_boundaries_before_it() -> None:
    early = spending_bounds(STAGES[:3], 0.025, pocock_spending, planned=1.0)
    assert np.allclose(early, spending_bounds(STAGES, 0.025, pocock_spending)[:3], atol=1e-12)
    late = spending_bounds(np.array([0.5, 1.0, 1.4]), 0.025, pocock_spending, planned=1.0)
    assert late[2] == math.inf


def test_nothing_to_spend_is_an_infinite_boundary() -> None:
    found = spending_bounds(np.array([0.002, 0.5, 1.0]), 0.025, obrien_fleming_spending)
    assert found[0] == math.inf
    assert np.isfinite(found[1:]).all()


@pytest.mark.parametrize("shape", [0.0, 0.25, 0.5])
def test_wang_and_tsiatis_lie_between_and_spend_alpha(shape: float) -> None:
    z = wang_tsiatis_bounds(UNEVEN, 0.05, shape, two_sided=True)
    assert math.isclose(crossing_probabilities(UNEVEN, -z, z).total, 0.05, rel_tol=1e-10)
    assert np.allclose(z / z[-1], UNEVEN ** (shape - 0.5))


def test_more_looks_need_higher_boundaries_and_a_drift_crosses_sooner() -> None:
    constants = [pocock_bounds(k, 0.025)[0] for k in (1, 2, 5, 12, 24)]
    assert all(one < other for one, other in pairwise(constants))
    z = pocock_bounds(5, 0.025)
    powers = [
        crossing_probabilities(FIFTHS, np.full(5, -np.inf), z, drift).total
        for drift in (0.0, 1.0, 3.0, 6.0)
    ]
    assert all(one < other for one, other in pairwise(powers))
    assert powers[0] == pytest.approx(0.025, rel=1e-9)


@pytest.mark.parametrize("information", [[], [0.0, 1.0], [0.5, 0.5], [0.5, 0.4], [math.nan]])
def test_information_that_does_not_rise_is_refused(information: list[float]) -> None:
    with pytest.raises(ValueError, match="rises from look to look"):
        spending_bounds(np.array(information), 0.05, pocock_spending)


def test_impossible_plans_are_refused() -> None:
    for alpha in (0.0, 1.0):
        with pytest.raises(ValueError, match="alpha lies"):
            spending_bounds(FIFTHS, alpha, pocock_spending)
    with pytest.raises(ValueError, match="alpha lies"):
        pocock_bounds(3, 0.6)
    with pytest.raises(ValueError, match="planned information"):
        spending_bounds(FIFTHS, 0.05, pocock_spending, planned=0.0)
    with pytest.raises(ValueError, match="not below it"):
        crossing_probabilities(FIFTHS, np.full(5, 3.0), np.full(5, 2.0))
    with pytest.raises(ValueError, match="not below it"):
        crossing_probabilities(FIFTHS, np.full(4, -2.0), np.full(5, 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("spending", [obrien_fleming_spending, pocock_spending])
def test_error_and_power_by_simulation(spending: Spending) -> None:
    draw, runs = np.random.default_rng(1), 200_000
    z = spending_bounds(UNEVEN, 0.025, spending)
    steps = np.diff(UNEVEN, prepend=0)
    noise = np.cumsum(draw.normal(size=(runs, 5)) * np.sqrt(steps), axis=1)
    for drift in (0.0, 2.8):
        crossed = ((noise + drift * UNEVEN) / np.sqrt(UNEVEN) > z).any(axis=1).mean()
        exact = crossing_probabilities(UNEVEN, np.full(5, -np.inf), z, drift).total
        assert crossed == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / runs))
