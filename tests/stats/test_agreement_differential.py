"""Agreement and correction against a second derivation, written from the definitions alone."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from llmops_cli.stats.agreement import Confusion, cohen_kappa
from llmops_cli.stats.balanced_agreement import gwet_ac1
from llmops_cli.stats.krippendorff import krippendorff_alpha
from llmops_cli.stats.prediction_powered import Predicted, prediction_powered_mean
from llmops_cli.stats.prevalence import rogan_gladen

NAN = math.nan
CLOSE = {"rel": 1e-9, "abs": 1e-9}

pairs = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=50
    ).map(lambda rows: (k, rows))
)


@given(pairs)
def test_kappa_and_ac1_case_by_case(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    k, rows = drawn
    table = np.zeros((k, k), np.int64)
    for one, other in rows:
        table[one, other] += 1
    n = len(rows)
    agree = sum(one == other for one, other in rows) / n
    # Cohen: two cases drawn apart, one rating of each rater, are the same.
    chance = sum(one == other for one, _ in rows for _, other in rows) / n**2
    kappa = cohen_kappa(table)
    assert (
        math.isnan(kappa)
        if chance == 1
        else kappa == pytest.approx((agree - chance) / (1 - chance), **CLOSE)
    )
    # Gwet: of any rating, drawn from both raters, the chance to be in a class and not.
    ratings = [rating for row in rows for rating in row]
    shares = [ratings.count(code) / (2 * n) for code in range(k)]
    by_chance = sum(share * (1 - share) for share in shares) / (k - 1)
    wanted = (agree - by_chance) / (1 - by_chance)
    assert float(gwet_ac1(table[None])[0]) == pytest.approx(wanted, **CLOSE)


units = st.lists(
    st.lists(st.sampled_from([0, 1, 2, 4, None]), min_size=3, max_size=3), min_size=2, max_size=12
)


def alpha_by_pairs(rows: list[list[int | None]], scale: str) -> float:
    """Every ordered pair of ratings of a unit against every ordered pair of all ratings."""
    rated = [[x for x in unit if x is not None] for unit in rows]
    rated = [unit for unit in rated if len(unit) > 1]
    every = [x for unit in rated for x in unit]

    def apart(a: int, b: int) -> float:
        if scale == "nominal":
            return float(a != b)
        if scale == "interval":
            return float(a - b) ** 2
        low, high = sorted((a, b))
        between = sum(low <= x <= high for x in every)
        return (between - (every.count(low) + every.count(high)) / 2) ** 2 if a != b else 0.0

    expected = sum(apart(a, b) for a, b in permutations(every, 2))
    if not expected:
        return NAN
    observed = sum(
        apart(a, b) / (len(unit) - 1) for unit in rated for a, b in permutations(unit, 2)
    )
    return 1 - (len(every) - 1) * observed / expected


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
@given(rows=units)
def test_alpha_pair_by_pair_with_gaps(scale: str, rows: list[list[int | None]]) -> None:
    ratings = np.array([[NAN if x is None else x for x in unit] for unit in rows], float).T
    wanted, found = alpha_by_pairs(rows, scale), krippendorff_alpha(ratings, scale)
    assert math.isnan(found) if math.isnan(wanted) else found == pytest.approx(wanted, **CLOSE)


@pytest.mark.parametrize("seed", range(12))
def test_ppi_trusts_predictions_as_much_as_makes_the_error_smallest(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, others = int(draw.integers(10, 200)), int(draw.integers(10, 2000))
    share = draw.uniform(0.2, 0.8)
    truth = (draw.random(n) < share).astype(float)
    said = np.where(draw.random(n) < 0.8, truth, 1 - truth)
    unlabelled = (draw.random(others) < share * 0.8 + (1 - share) * 0.2).astype(float)
    pooled = np.concatenate([said, unlabelled]).var(ddof=1)
    covariance = float(((truth - truth.mean()) * (said - said.mean())).mean())

    def variance(power: float) -> float:
        # Of mean(truth) - power (mean(said) - mean(unlabelled)), up to what power leaves alone.
        return power**2 * pooled * (1 / n + 1 / others) - 2 * power * covariance / n

    best = minimize_scalar(variance, bounds=(0, 1), method="bounded", options={"xatol": 1e-12}).x
    found = prediction_powered_mean(Predicted(truth, said, unlabelled))
    assert found.power == pytest.approx(best, abs=2e-6)  # a minimum is flat
    slope = 2 * found.power * pooled * (1 / n + 1 / others) - 2 * covariance / n
    assert found.power in {0.0, 1.0} or slope == pytest.approx(0, abs=1e-12)
    value = truth.mean() + found.power * (unlabelled.mean() - said.mean())
    error = math.sqrt(
        (truth - found.power * said).var() / n + found.power**2 * unlabelled.var() / others
    )
    assert found.value == pytest.approx(value, **CLOSE)
    assert found.error == pytest.approx(error, **CLOSE)


@given(
    tp=st.integers(20, 500), fn=st.integers(0, 5), tn=st.integers(20, 500), fp=st.integers(0, 5),
    said=st.integers(0, 400),
)  # fmt: skip
def test_rogan_gladen_solves_the_mixture(tp: int, fn: int, tn: int, fp: int, said: int) -> None:
    # The test says yes to sens x + (1 - spec)(1 - x) of traffic of which x is truly so.
    sens, spec = tp / (tp + fn), tn / (tn + fp)
    wanted = np.linalg.solve([[sens, 1 - spec], [1, 1]], [said / 400, 1])[0]
    found = rogan_gladen(said, 400, Confusion(tp=tp, fp=fp, tn=tn, fn=fn))
    assert found.raw == pytest.approx(wanted, **CLOSE)
    # The delta method, by numerical slopes in the three shares that are estimated.
    steps = [(said / 400, 400), (sens, tp + fn), (spec, tn + fp)]

    def corrected(shares: list[float]) -> float:
        return (shares[0] + shares[2] - 1) / (shares[1] + shares[2] - 1)

    at, variance = [share for share, _ in steps], 0.0
    for place, (share, n) in enumerate(steps):
        up, down = list(at), list(at)
        up[place], down[place] = share + 1e-6, share - 1e-6
        slope = (corrected(up) - corrected(down)) / 2e-6
        variance += slope**2 * share * (1 - share) / n
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-6, abs=1e-9)
