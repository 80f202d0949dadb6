"""What the data show of a class and a model: means, bounds that hold, tests seldom wrong."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.tiers.assignment import assign
from llmops_cli.tiers.assignment_evidence import shown
from llmops_cli.tiers.cells import cells_of
from llmops_cli.tiers.evaluation import evaluate
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.roles import roles
from llmops_cli.tiers.stability import cross_fitted, stability

Floats = npt.NDArray[np.float64]


def table(
    quality: Floats,
    task: npt.NDArray[np.int64] | None = None,
    *,
    cluster: npt.NDArray[np.int64] | None = None,
    cost: tuple[float, ...] = (1.0, 10.0),
) -> Outcomes:
    n, m = quality.shape
    classes = np.zeros(n, np.int64) if task is None else task
    return Outcomes(
        models=tuple("abcdef"[:m]),
        quality=quality,
        cost_usd=np.broadcast_to(np.array(cost[:m]), (n, m)).copy(),
        latency_s=None,
        task=classes,
        tasks=tuple(f"t{k}" for k in range(int(classes.max()) + 1)),
        cluster=np.arange(n) if cluster is None else cluster,
    )


def drawn(n: int, chances: tuple[float, ...], seed: int) -> Floats:
    return (np.random.default_rng(seed).random((n, len(chances))) < np.array(chances)) * 1.0


def test_means_are_those_of_the_rows() -> None:
    quality = drawn(600, (0.6, 0.9), 1)
    task = np.arange(600) % 3
    outcomes = table(quality, task, cluster=np.arange(600) // 4)
    found = shown(*_cells(outcomes), alpha=0.05, min_rows=30)
    for klass in range(3):
        np.testing.assert_allclose(found.quality[klass], quality[task == klass].mean(axis=0))
    np.testing.assert_allclose(found.cost_usd, np.broadcast_to([1.0, 10.0], (3, 2)))
    np.testing.assert_allclose(found.weight, 1 / 3)


def _cells(outcomes: Outcomes, reference: int = 1):  # noqa: ANN202 - cells and their totals
    cells = cells_of(outcomes, reference)
    return cells, cells.totals()


def test_rows_that_all_agree_are_no_proof() -> None:
    outcomes = table(np.ones((40, 2)))
    found = shown(*_cells(outcomes), alpha=0.05, min_rows=30)
    assert found.low[0, 0] < 0.95
    assert found.low[0, 1] == 1


def test_clusters_widen_the_bounds() -> None:
    quality = np.repeat(drawn(60, (0.7, 0.8), 2), 10, axis=0)
    alone = shown(*_cells(table(quality)), alpha=0.05, min_rows=30)
    together = shown(*_cells(table(quality, cluster=np.arange(600) // 10)), alpha=0.05, min_rows=30)
    assert together.error[0, 0] > 2.5 * alone.error[0, 0]
    assert together.low[0, 0] < alone.low[0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_all_bounds_hold_together_as_often_as_they_say(seed: int) -> None:
    truth, wrong, draws = (0.85, 0.75, 0.90), 0, 120
    for draw in range(draws):
        task = np.arange(900) % 6
        outcomes = table(drawn(900, truth, 1000 * seed + draw), task, cost=(1, 2, 10))
        cells = cells_of(outcomes, 2)
        found = shown(cells, cells.totals(), alpha=0.10, min_rows=30)
        # A bound is of the difference to the reference, whose own mean is taken as it is.
        lower = found.low - found.base
        wrong += bool((lower[:, :2] > np.array(truth[:2]) - truth[2]).any())
    assert wrong <= 0.10 * draws + 3 * np.sqrt(0.09 * draws)


def test_no_false_claim_of_not_being_worse() -> None:
    wrong, draws = 0, 150
    for draw in range(draws):
        task = np.arange(800) % 4
        outcomes = table(drawn(800, (0.855, 0.9), draw), task)
        cells = cells_of(outcomes, 1)
        found = shown(cells, cells.totals(), alpha=0.05, min_rows=30)
        # The truth lies just on the margin of every class.
        wrong += bool(found.not_inferior(np.full(4, 0.045), 0.05)[:, 0].any())
    assert wrong <= 0.05 * draws + 3 * np.sqrt(0.0475 * draws)


def test_a_class_of_three_rows_keeps_the_reference() -> None:
    quality = np.ones((503, 2))
    task = np.r_[np.zeros(500, np.int64), np.ones(3, np.int64)]
    plan = assign(cells_of(table(quality, task), 1), TierParameters())
    assert plan.model.tolist() == [0, 1]
    assert plan.few.tolist() == [False, True]


def test_a_class_without_the_reference_counts_for_nothing() -> None:
    quality = np.ones((400, 2))
    task = np.repeat([0, 1], 200)
    quality[200:, 1] = np.nan
    outcomes = table(quality, task)
    outcomes.cost_usd[200:, 1] = np.nan
    cells = cells_of(outcomes, 1)
    plan = assign(cells, TierParameters())
    assert plan.unknown.tolist() == [False, True]
    worth = evaluate(cells, plan.share)
    assert worth.saving == pytest.approx(0.9)
    assert np.isnan(worth.class_loss[1])


def test_evaluation_is_plain_arithmetic_on_whole_rows() -> None:
    quality, task = drawn(500, (0.6, 0.9), 4), np.arange(500) % 2
    outcomes = table(quality, task, cluster=np.arange(500) // 5)
    cells = cells_of(outcomes, 1)
    plan = np.array([[1.0, 0.0], [0.25, 0.75]])
    worth = evaluate(cells, plan, level=0.9)
    part = plan[task]
    assert worth.quality == pytest.approx((part * quality).sum() / 500)
    assert worth.cost_usd == pytest.approx((part * outcomes.cost_usd).sum() / 500)
    assert worth.loss == pytest.approx(worth.base_quality - worth.quality)
    assert worth.loss_interval.low < worth.loss < worth.loss_interval.high
    assert worth.saving_interval.low <= worth.saving <= worth.saving_interval.high


def test_pooled_clusters_give_the_same_sums_and_nearly_the_same_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quality = drawn(3000, (0.6, 0.9), 5)
    outcomes = table(quality, np.arange(3000) % 2)
    plan = np.array([[1.0, 0.0], [0.0, 1.0]])
    monkeypatch.setattr("llmops_cli.tiers.cells._MOST_GROUPS", 3000)
    whole = evaluate(cells_of(outcomes, 1), plan)
    monkeypatch.setattr("llmops_cli.tiers.cells._MOST_GROUPS", 400)
    cells = cells_of(outcomes, 1)
    pooled = evaluate(cells, plan)
    assert cells.pooled
    assert (whole.quality, whole.cost_usd) == pytest.approx((pooled.quality, pooled.cost_usd))
    width = whole.loss_interval.high - whole.loss_interval.low
    assert pooled.loss_interval.high - pooled.loss_interval.low == pytest.approx(width, rel=0.2)


def test_a_plan_looks_better_on_its_own_rows_than_it_is() -> None:
    """Twelve equal models: who is best by chance is not best on other rows."""
    gaps: list[float] = []
    for seed in range(8):
        task = np.arange(480) % 8
        outcomes = table(drawn(480, (0.8,) * 6, seed), task, cost=(1,) * 6)
        cells = cells_of(outcomes, 0)
        asked = TierParameters(budget_usd=float("inf"), evidence="point", seed=seed)
        plan = assign(cells, asked)
        own, other = evaluate(cells, plan.share), cross_fitted(cells, asked)
        assert other is not None
        gaps.append(other.loss - own.loss)
        # The truth is no loss and no gain.
        assert other.loss_interval.low <= 0.02
    assert np.mean(gaps) > 0.02


def test_a_clear_choice_survives_and_a_toss_does_not() -> None:
    sure = table(np.ones((400, 2)))
    cells, asked = cells_of(sure, 1), TierParameters()
    assert stability(cells, assign(cells, asked), asked).survives.tolist() == [1.0]
    toss = table(drawn(400, (0.8, 0.8), 6), cost=(10.0, 10.0))
    cells, asked = cells_of(toss, 1), TierParameters(budget_usd=float("inf"), evidence="point")
    assert 0.2 < stability(cells, assign(cells, asked), asked).survives[0] < 0.95


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.8, 0.9, 0.95, 1.0]))
def test_every_floor_holds_for_the_values_it_is_asked_of(seed: int, floor: float) -> None:
    draw = np.random.default_rng(seed)
    task = draw.integers(0, 4, 400)
    outcomes = table(drawn(400, (0.5, 0.8, 0.9), seed), task, cost=(1, 3, 10))
    cells = cells_of(outcomes, 2)
    for asked in (TierParameters(class_floor=floor), TierParameters(floor=floor)):
        plan = assign(cells, asked)
        value = (plan.share * plan.problem.quality).sum(axis=1)
        base = plan.problem.quality[:, 2]
        if asked.floor is None:
            assert (value >= floor * base - 1e-9).all()
        assert plan.problem.weight @ value >= floor * (plan.problem.weight @ base) - 1e-6
        assert plan.problem.weight @ (plan.share * plan.problem.cost).sum(axis=1) <= 10 + 1e-9


def test_roles_are_proposed_with_their_evidence() -> None:
    task = np.repeat([0, 1, 2], 300)
    quality = np.column_stack(
        [
            drawn(900, (0.7,), 1)[:, 0],
            np.where(task == 2, drawn(900, (0.98,), 2)[:, 0], drawn(900, (0.5,), 3)[:, 0]),
            drawn(900, (0.9,), 4)[:, 0],
            drawn(900, (0.3,), 5)[:, 0],
        ]
    )
    outcomes = table(quality, task, cost=(1, 4, 10, 20))
    cells = cells_of(outcomes, 2)
    known = shown(cells, cells.totals(), alpha=0.05, min_rows=30)
    found = {role.model: role for role in roles(outcomes, known, {})}
    tiers = {name: role.tier for name, role in found.items()}
    assert tiers == {"a": "economy", "b": "specialist", "c": "generalist", "d": "none"}
    assert (found["b"].leads, found["b"].shown) == (("t2",), 1)
    said = {role.model: role for role in roles(outcomes, known, {"a": "specialist"})}
    assert (said["a"].tier, said["a"].given) == ("specialist", True)
