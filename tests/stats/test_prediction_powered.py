"""Prediction-powered means: frozen figures of the authors' package, brute force, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from llmops_cli.stats.intervals import wilson
from llmops_cli.stats.prediction_powered import Predicted, prediction_powered_mean

N, MANY = 60, 400
labels, others = np.arange(N), np.arange(MANY)
TRUTH = (labels * 7 % 10 < 6).astype(float)
BINARY = Predicted(
    TRUTH, np.where(labels % 5 == 0, 1 - TRUTH, TRUTH), (others * 3 % 11 < 7).astype(float)
)
SMOOTH = np.sin(labels) + 0.3
GRADED = Predicted(
    SMOOTH, 0.8 * SMOOTH + 0.5 * np.cos(3 * labels), 0.8 * np.sin(others * 1.7) + 0.2
)
Z95, Z90 = 1.959963984540054, 1.6448536269514722

# ppi-python 0.2.3: ppi_mean_pointestimate and ppi_mean_ci (alpha .05 and .1) of these numbers.
PPI_PYTHON = [
    (BINARY, None, 0.73815719123151, 0.641211455268802, Z95),
    (BINARY, 0.0, 0.6, 0.476040993539088, Z95),
    (BINARY, 1.0, 0.8375, 0.72586114923836, Z95),
    (GRADED, None, 0.259795920174143, 0.167776551163875, Z90),
    (GRADED, 0.0, 0.332322321745535, 0.182675642217245, Z90),
    (GRADED, 1.0, 0.259795920174143, 0.167776551163875, Z90),
]


@pytest.mark.parametrize(("data", "power", "value", "low", "z"), PPI_PYTHON)
def test_estimate_and_error_are_those_of_ppi_python(
    data: Predicted, power: float | None, value: float, low: float, z: float
) -> None:
    found = prediction_powered_mean(data, power=power)
    assert math.isclose(found.value, value, abs_tol=1e-12)
    assert math.isclose(found.error, (value - low) / z, abs_tol=1e-12)


@pytest.mark.parametrize(("power", "free"), [(None, N - 2), (0.7, N - 1)])
def test_the_interval_of_graded_values_is_students(power: float | None, free: int) -> None:
    found = prediction_powered_mean(GRADED, power=power, level=0.9)
    reach = student.ppf(0.95, free) * found.error * math.sqrt(N / free)
    assert math.isclose(found.interval.high, found.value + reach, rel_tol=1e-9)
    assert math.isclose(found.interval.low, found.value - reach, rel_tol=1e-9)
    assert found.method == "student"


def test_the_interval_of_labels_alone_is_wilsons() -> None:
    # With very many labels Student's quantile is the normal one.
    truth = np.tile([1.0, 1.0, 1.0, 0.0], 50_000)
    found = prediction_powered_mean(Predicted(truth, truth, truth), power=0.0)
    expected = wilson(150_000, 200_000)
    assert found.method == "score"
    assert math.isclose(found.interval.low, expected.low, abs_tol=1e-6)
    assert math.isclose(found.interval.high, expected.high, abs_tol=1e-6)


def test_labels_that_are_all_yes_are_no_certainty() -> None:
    found = prediction_powered_mean(Predicted(np.ones(30), np.ones(30), np.ones(500)))
    assert found.error == 0
    assert 0.8 < found.interval.low < 0.9
    assert found.interval.high == 1


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 200))
def test_estimate_and_error_by_brute_force(seed: int, n: int, many: int) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 3, n).astype(float)
    said, unlabelled = truth + draw.normal(size=n), draw.normal(1, 1, many)
    found = prediction_powered_mean(Predicted(truth, said, unlabelled))
    shared = sum((truth[i] - truth.mean()) * (said[i] - said.mean()) for i in range(n)) / n
    pooled = np.concatenate([said, unlabelled])
    spread = sum((x - pooled.mean()) ** 2 for x in pooled) / (len(pooled) - 1)
    power = min(1.0, max(0.0, shared / ((1 + n / many) * spread)))
    value = power * unlabelled.mean() + (truth - power * said).mean()
    variance = power**2 * unlabelled.var() / many + (truth - power * said).var() / n
    assert math.isclose(found.power, power, abs_tol=1e-9)
    assert math.isclose(found.value, value, abs_tol=1e-9)
    assert math.isclose(found.error, math.sqrt(variance), rel_tol=1e-9, abs_tol=1e-12)


def test_the_tuned_power_beats_both_ends() -> None:
    errors = [prediction_powered_mean(BINARY, power=power).error for power in (None, 0.0, 1.0)]
    assert errors[0] < min(errors[1:])


def test_perfect_predictions_make_few_labels_worth_all_cases() -> None:
    truth, others = (np.arange(n) % 4 < 3 for n in (100, 900))
    truth, others = truth.astype(float), others.astype(float)
    found = prediction_powered_mean(Predicted(truth, truth, others))
    assert found.worth == pytest.approx(1000, rel=0.02)
    assert found.labels == 100


def test_useless_predictions_leave_the_labels_alone() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, 300).astype(float)
    found = prediction_powered_mean(Predicted(truth, np.ones(300), np.ones(2000)))
    assert (found.power, found.value, found.worth) == (0.0, truth.mean(), pytest.approx(300))
    assert found.gap == 0


def test_labels_that_are_no_random_sample_show_a_gap() -> None:
    truth = np.tile([1.0, 0.0], 50)
    assert prediction_powered_mean(Predicted(truth, truth, np.tile([1.0, 0.0], 500))).gap == 0
    assert prediction_powered_mean(Predicted(truth, truth, np.tile([1, 1, 1, 0.0], 250))).gap < -4
    constant = Predicted(np.ones(4), np.ones(4), np.zeros(4))
    assert prediction_powered_mean(constant).gap == math.inf


def test_clusters_of_one_change_nothing_but_the_tuning() -> None:
    alone = Predicted(GRADED.truth, GRADED.labelled, GRADED.unlabelled, (labels, N + others))
    ours = prediction_powered_mean(alone, power=0.5)
    plain = prediction_powered_mean(GRADED, power=0.5)
    assert math.isclose(ours.error, plain.error, rel_tol=1e-12)
    assert math.isclose(ours.interval.low, plain.interval.low, rel_tol=1e-12)


def test_copies_in_clusters_add_nothing() -> None:
    copied = Predicted(
        np.repeat(GRADED.truth, 5), np.repeat(GRADED.labelled, 5), np.repeat(GRADED.unlabelled, 5),
        (np.repeat(labels, 5), np.repeat(N + others, 5)),
    )  # fmt: skip
    ours = prediction_powered_mean(copied, power=0.7)
    assert math.isclose(ours.error, prediction_powered_mean(GRADED, power=0.7).error, rel_tol=1e-9)


ones = np.ones(5)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((ones, np.ones(4), ones), "5 true values but 4"),
        ((np.ones(1), np.ones(1), ones), "two labelled"),
        ((ones, ones, np.ones(0)), "one other"),
        ((ones, ones, np.array([1.0, np.nan])), "finite"),
        ((ones, ones, ones, (np.arange(5), np.arange(4))), "cluster code"),
    ],
)
def test_what_has_no_error_is_refused(parts: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predicted(*parts)  # type: ignore[arg-type]


def test_too_few_clusters_and_impossible_levels_are_refused() -> None:
    zeros = np.zeros(5, np.int64)
    with pytest.raises(ValueError, match="two labelled clusters"):
        prediction_powered_mean(Predicted(ones, ones, ones, (zeros, zeros + 1)))
    with pytest.raises(ValueError, match="tuned power a third"):
        prediction_powered_mean(Predicted(ones[:2], ones[:2], ones))
    with pytest.raises(ValueError, match="confidence level"):
        prediction_powered_mean(BINARY, level=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("power", [None, 0.0])
@pytest.mark.parametrize(("n", "many"), [(40, 1000), (60, 600), (200, 5000)])
@pytest.mark.parametrize("share", [0.6, 0.85, 0.95])
def test_coverage_of_a_share_is_nominal(
    power: float | None, n: int, many: int, share: float
) -> None:
    draw, hits, runs = np.random.default_rng(n), 0, 3000
    for _ in range(runs):
        truth = (draw.random(n + many) < share).astype(float)
        said = np.where(draw.random(n + many) < 0.85, truth, 1 - truth)
        found = prediction_powered_mean(Predicted(truth[:n], said[:n], said[n:]), power=power)
        hits += found.interval.low <= share <= found.interval.high
    assert 0.93 <= hits / runs <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("power", [None, 0.0, 1.0])
def test_coverage_of_a_graded_mean_is_nominal(power: float | None) -> None:
    draw, hits, runs = np.random.default_rng(6), 0, 3000
    for _ in range(runs):
        truth = draw.beta(4, 2, 1060)
        said = truth + draw.normal(0, 0.15, 1060) + 0.1
        found = prediction_powered_mean(Predicted(truth[:60], said[:60], said[60:]), power=power)
        hits += found.interval.low <= 4 / 6 <= found.interval.high
    assert 0.935 <= hits / runs <= 0.965


@pytest.mark.slow
def test_coverage_in_clusters_is_nominal_and_without_them_is_not() -> None:
    draw, hits, runs = np.random.default_rng(4), np.zeros(2), 1500
    for _ in range(runs):
        codes = np.repeat(np.arange(150), 8)
        truth = (draw.random(1200) < np.repeat(draw.beta(2, 1, 150), 8)).astype(float)
        said = np.where(draw.random(1200) < 0.85, truth, 1 - truth)
        labelled = np.repeat(draw.random(150) < 0.3, 8)
        parts = truth[labelled], said[labelled], said[~labelled]
        both = Predicted(*parts, (codes[labelled], codes[~labelled])), Predicted(*parts)
        for kind, data in enumerate(both):
            found = prediction_powered_mean(data).interval
            hits[kind] += found.low <= 2 / 3 <= found.high
    assert 0.93 <= hits[0] / runs <= 0.97
    assert hits[1] / runs < 0.90
