"""Published sample sizes of non-inferiority comparisons, and an independent solver's.

The first two are the worked figures of rollout planning: a baseline of 2 % errors, a margin of
half a point, one-sided 2.5 %, power 90 %, at equal arms and at a 5 % canary.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from llmops_cli.stats.power import Comparison, non_inferiority_sample

ERRORS = 0.02 * 0.98


@pytest.mark.parametrize(
    ("ratio", "treated", "control"), [(1.0, 16_476, 16_476), (19.0, 8_672, 164_757)]
)
def test_the_worked_figures_of_a_five_in_a_thousand_margin(
    ratio: float, treated: int, control: int
) -> None:
    given = Comparison(variance=ERRORS, margin=0.005, ratio=ratio, alpha=0.025)
    n = non_inferiority_sample(given, 0.9)
    assert (math.ceil(n), math.ceil(n * ratio)) == (treated, control)


def test_a_textbook_comparison_of_cure_rates() -> None:
    # Chow, Shao and Wang, two-sample parallel design for proportions, non-inferiority: a new
    # drug at 85 %, the standard at 65 %, margin -10 %, alpha .05, power .80: 25 patients an arm.
    # There the true difference of 20 points adds to the margin.
    p1, p2, shift = 0.85, 0.65, 0.20 + 0.10
    given = Comparison(variance=(p1 * (1 - p1) + p2 * (1 - p2)) / 2, margin=shift, alpha=0.05)
    assert math.ceil(non_inferiority_sample(given, 0.8)) == 25


@pytest.mark.parametrize("ratio", [1.0, 3.0, 19.0, 99.0])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.2])
def test_shares_agree_with_a_solver_of_the_definition(p: float, ratio: float) -> None:
    margin, alpha, power = 0.02, 0.01, 0.95
    worse = p + margin

    def shortfall(n: float) -> float:
        at_margin = math.sqrt(worse * (1 - worse) / n + p * (1 - p) / (ratio * n))
        alike = math.sqrt(p * (1 - p) / n * (1 + 1 / ratio))
        limit = margin + norm.ppf(alpha) * at_margin
        return float(norm.cdf(limit / alike)) - power

    given = Comparison(
        variance=p * (1 - p),
        variance_at_margin=worse * (1 - worse),
        margin=margin,
        ratio=ratio,
        alpha=alpha,
    )
    assert non_inferiority_sample(given, power) == pytest.approx(
        brentq(shortfall, 10, 1e7), rel=1e-6
    )


@pytest.mark.parametrize("margin", [0.002, 0.005, 0.01])
@pytest.mark.parametrize("p", [0.02, 0.1])
def test_shares_are_near_statsmodels_test_of_a_difference(p: float, margin: float) -> None:
    # Theirs pools the two shares where the test is, as a superiority test does.
    worse = p + margin
    theirs = samplesize_proportions_2indep_onetail(
        margin, p, power=0.9, ratio=1, alpha=0.025, value=0, alternative="larger"
    )
    given = Comparison(
        variance=p * (1 - p), variance_at_margin=worse * (1 - worse), margin=margin, alpha=0.025
    )
    assert non_inferiority_sample(given, 0.9) == pytest.approx(float(np.ravel(theirs)[0]), rel=0.15)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 9.0])
def test_means_agree_with_statsmodels(ratio: float, power: float) -> None:
    theirs = NormalIndPower().solve_power(
        0.2, alpha=0.01, power=power, ratio=ratio, alternative="larger"
    )
    given = Comparison(variance=2.0, margin=0.2 * math.sqrt(2), ratio=ratio, alpha=0.01)
    assert non_inferiority_sample(given, power) == pytest.approx(theirs, rel=1e-6)


def test_a_known_control_halves_the_sample_of_equal_arms() -> None:
    two, one = (
        non_inferiority_sample(Comparison(variance=ERRORS, margin=0.005, ratio=ratio), 0.9)
        for ratio in (1.0, math.inf)
    )
    assert one == pytest.approx(two / 2)
    reach = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.9)
    assert one == pytest.approx(reach**2 * ERRORS / 0.005**2)
