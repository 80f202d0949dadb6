"""Policies from logs of chosen models: unbiased by simulation, exact where known, refused else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.off_policy import OffPolicy, OffPolicyParameters, evaluate_off_policy
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.reward_model import cross_fitted_means
from llmops_cli.tiers.support import support, target_chances

QUALITY = np.array([[0.3, 0.8, 0.9], [0.7, 0.75, 0.95]])
"""True quality per task and model."""

COST = np.array([1.0, 4.0, 20.0])
LOGGED = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
TARGET = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
TRUTH = float((TARGET * QUALITY).sum(axis=1).mean())
TRUTH_USD = float((TARGET * COST).sum(axis=1).mean())


def logged(n: int, seed: int = 0, *, shown: bool = False) -> Outcomes:
    """A log of the chosen model; ``shown`` keeps what the others would have given."""
    draw = np.random.default_rng(seed)
    task = np.arange(n) % 2
    chosen = (draw.random(n)[:, None] > LOGGED[task].cumsum(axis=1)).sum(axis=1)
    quality = (draw.random((n, 3)) < QUALITY[task]) * 1.0
    cost = COST * draw.uniform(0.5, 1.5, (n, 3))
    if not shown:
        hidden = np.arange(3) != chosen[:, None]
        quality[hidden], cost[hidden] = np.nan, np.nan
    return Outcomes(
        ("a", "b", "c"), quality, cost, None, task, ("chat", "code"), np.arange(n) // 2,
        chosen=chosen, propensity=LOGGED[task, chosen],
    )  # fmt: skip


def target(outcomes: Outcomes) -> np.ndarray:
    return TARGET[outcomes.task]


def test_the_three_estimates_are_their_definitions() -> None:
    log = logged(400)
    found = evaluate_off_policy(log, target(log), OffPolicyParameters(resamples=200))
    rows = np.arange(400)
    assert log.chosen is not None
    assert log.propensity is not None
    weight = target(log)[rows, log.chosen] / log.propensity
    seen = log.quality[rows, log.chosen]
    means = cross_fitted_means(log, log.quality, 0)
    modelled = (target(log) * means).sum(axis=1) + weight * (seen - means[rows, log.chosen])
    assert found.quality.ips.value == pytest.approx((weight * seen).mean())
    assert found.quality.snips.value == pytest.approx((weight * seen).sum() / weight.sum())
    assert found.quality.doubly_robust.value == pytest.approx(modelled.mean())
    assert found.effective_rows == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert found.matched == (weight > 0).sum()
    assert found.mean_weight.value == pytest.approx(weight.mean())
    assert found.largest_weight_share == pytest.approx(weight.max() / weight.sum())


def test_the_policy_that_made_the_log_gets_what_the_log_shows() -> None:
    log = logged(300)
    found = evaluate_off_policy(log, LOGGED[log.task])
    assert found.quality.ips.value == pytest.approx(np.nanmean(log.quality))
    assert found.quality.snips.value == pytest.approx(np.nanmean(log.quality))
    assert found.effective_rows == pytest.approx(300)
    assert found.mean_weight.low == pytest.approx(1)


def test_where_every_model_was_run_nothing_is_weighted() -> None:
    log = replace(logged(300, shown=True), chosen=np.full(300, -1), propensity=np.full(300, np.nan))
    found = evaluate_off_policy(log, target(log))
    exact = (target(log) * log.quality).sum(axis=1).mean()
    for one in (found.quality.ips, found.quality.snips, found.quality.doubly_robust):
        assert one.value == pytest.approx(exact)


def test_a_table_of_side_by_side_runs_needs_neither_choice_nor_propensity() -> None:
    log = replace(logged(300, shown=True), chosen=None, propensity=None)
    found = evaluate_off_policy(log, target(log))
    exact = (target(log) * log.cost_usd).sum(axis=1).mean()
    assert found.cost_usd.doubly_robust.value == pytest.approx(exact)
    assert found.effective_rows == 300


def test_one_model_per_request_is_a_policy_too() -> None:
    log = logged(600)
    chosen = np.array([1, 0])[log.task]
    assert np.array_equal(target_chances(log, chosen), np.eye(3)[chosen])
    found = evaluate_off_policy(log, chosen)
    assert found == evaluate_off_policy(log, np.eye(3)[chosen])


def test_clipped_weights_are_never_heavier() -> None:
    log = logged(2000)
    free = evaluate_off_policy(log, target(log), OffPolicyParameters(resamples=50))
    clipped = evaluate_off_policy(log, target(log), OffPolicyParameters(resamples=50, clip=2.0))
    assert clipped.largest_weight_share < free.largest_weight_share
    assert clipped.effective_rows > free.effective_rows
    assert clipped.mean_weight.value < free.mean_weight.value


def refusal(log: Outcomes, policy: np.ndarray, **asked: float) -> LlmopsError:
    with pytest.raises(LlmopsError) as raised:
        evaluate_off_policy(log, policy, OffPolicyParameters(**asked))  # type: ignore[arg-type]
    return raised.value


def test_a_model_never_logged_on_a_task_is_refused_by_name_and_share() -> None:
    log = logged(400)
    assert log.chosen is not None
    kept = ~((log.task == 0) & (log.chosen == 2))
    part = Outcomes(
        log.models, log.quality[kept], log.cost_usd[kept], None, log.task[kept], log.tasks,
        log.cluster[kept], log.chosen[kept], None if log.propensity is None else
        log.propensity[kept],
    )  # fmt: skip
    error = refusal(part, target(part))
    assert (error.slug, error.exit_code) == ("tiers-no-support", ExitCode.INCONCLUSIVE)
    assert "c on chat" in error.message
    found = support(part, target(part))
    assert [(gap.task, gap.model) for gap in found.gaps] == [("chat", "c")]
    assert found.missing == pytest.approx(0.5 * (part.task == 0).mean())


def test_a_model_logged_only_on_some_requests_of_a_task_is_refused() -> None:
    # Even rows always went to a, odd ones to b: nothing says what a does on odd rows.
    n = 400
    chosen = np.arange(n) % 2
    quality = np.full((n, 2), np.nan)
    quality[np.arange(n), chosen] = 1.0
    log = Outcomes(
        ("a", "b"), quality, quality.copy(), None, np.zeros(n, np.int64), ("all",), np.arange(n),
        chosen=chosen, propensity=np.ones(n),
    )  # fmt: skip
    error = refusal(log, np.zeros(n, np.int64))
    assert (error.slug, error.exit_code) == ("tiers-no-support", ExitCode.INCONCLUSIVE)
    assert "covers 50%" in error.message


@pytest.mark.parametrize(
    ("change", "slug", "code"),
    [
        ({"propensity": None}, "tiers-no-propensity", ExitCode.INCONCLUSIVE),
        ({"propensity": np.full(400, np.nan)}, "tiers-no-propensity", ExitCode.INCONCLUSIVE),
        ({"propensity": np.zeros(400)}, "tiers-bad-propensity", ExitCode.BAD_INPUT),
        ({"propensity": np.full(400, 1.5)}, "tiers-bad-propensity", ExitCode.BAD_INPUT),
        ({"quality": np.full((400, 3), np.nan)}, "tiers-outcome-missing", ExitCode.BAD_INPUT),
        ({"chosen": None}, "tiers-outcome-missing", ExitCode.BAD_INPUT),
    ],
)
def test_logs_that_cannot_answer_are_refused(change: dict, slug: str, code: ExitCode) -> None:
    log = replace(logged(400), **change)
    error = refusal(log, target(log))
    assert (error.slug, error.exit_code) == (slug, code)


def test_no_row_is_refused() -> None:
    log = logged(10)
    empty = Outcomes(
        log.models, log.quality[:0], log.cost_usd[:0], None, log.task[:0], log.tasks,
        log.cluster[:0],
    )  # fmt: skip
    assert refusal(empty, np.zeros((0, 3))).slug == "tiers-no-rows"


def test_too_few_effective_rows_are_refused() -> None:
    log = logged(40)
    error = refusal(log, target(log), least_effective=39.0)
    assert (error.slug, error.exit_code) == ("tiers-too-few-effective", ExitCode.INCONCLUSIVE)


@pytest.mark.parametrize(
    "policy",
    [
        np.full(400, 7),
        np.full((400, 3), 0.5),
        np.full((400, 2), 0.5),
        np.full((400, 3), np.nan),
        np.tile([1.5, -0.5, 0.0], (400, 1)),
    ],
)
def test_what_is_no_policy_is_refused(policy: np.ndarray) -> None:
    assert refusal(logged(400), policy).slug == "tiers-bad-policy"


@given(st.integers(0, 50))
def test_self_normalised_quality_stays_between_the_outcomes_seen(seed: int) -> None:
    log = logged(200, seed)
    found = evaluate_off_policy(log, target(log), OffPolicyParameters(resamples=20))
    assert 0 <= found.quality.snips.value <= 1


def test_means_never_come_from_the_rows_own_cluster() -> None:
    log = logged(200)
    changed = log.quality.copy()
    changed[:2] = 1000.0 * ~np.isnan(changed[:2])
    before, after = (cross_fitted_means(log, values) for values in (log.quality, changed))
    assert np.array_equal(before[:2], after[:2])
    assert not np.array_equal(before, after)


@pytest.mark.slow
def test_estimates_are_unbiased_and_their_intervals_cover() -> None:
    runs = 400
    asked = OffPolicyParameters(level=0.9, resamples=400)
    found = [
        evaluate_off_policy(log, target(log), asked)
        for log in (logged(600, seed) for seed in range(runs))
    ]

    def check(value: str, truth: float, estimator: str) -> None:
        own = [getattr(getattr(one, value), estimator) for one in found]
        values = np.array([one.value for one in own])
        error = values.std() / runs**0.5
        assert abs(values.mean() - truth) < 3.5 * error + 0.002 * truth
        cover = np.mean([one.low <= truth <= one.high for one in own])
        assert 0.85 <= cover <= 0.95

    for estimator in ("ips", "snips", "doubly_robust"):
        check("quality", TRUTH, estimator)
        check("cost_usd", TRUTH_USD, estimator)


@pytest.mark.slow
def test_the_doubly_robust_estimate_is_right_where_propensities_are_wrong() -> None:
    # Means per task and model are right here, so wrong propensities must not matter to it.
    def value(one: OffPolicy, estimator: str) -> float:
        return getattr(one.quality, estimator).value

    asked = OffPolicyParameters(resamples=2, clip=1e9)
    found = []
    for seed in range(300):
        log = logged(600, seed)
        assert log.propensity is not None
        wrong = replace(log, propensity=np.minimum(1.0, log.propensity * 1.5))
        found.append(evaluate_off_policy(wrong, target(log), asked))
    assert np.mean([value(one, "ips") for one in found]) < TRUTH - 0.1
    doubly = np.mean([value(one, "doubly_robust") for one in found])
    assert doubly == pytest.approx(TRUTH, abs=0.01)
