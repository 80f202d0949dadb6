"""Sets of models and the walk over them: against closed forms and a loop over rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.stats.frontier import hulls, mean_height
from llmops_cli.tiers.cascade_routing import Stepwise, believe, outcome_of_sets, price_paths
from llmops_cli.tiers.cascades import Ladder
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.supermodels import Beliefs, Supermodels

COST = np.array([1.0, 3.0, 9.0, 20.0])


def beliefs(n: int, m: int, seed: int = 0, spread: float = 0.1) -> Beliefs:
    draw = np.random.default_rng(seed)
    before = draw.uniform(0.3, 0.7, (n, m))
    return Beliefs(
        before, np.clip(before + draw.normal(0, spread, (n, m)), 0, 1),
        COST[:m] * draw.uniform(0.8, 1.2, (n, m)), spread**2 * np.eye(m),
    )  # fmt: skip


def outcomes(n: int, m: int, seed: int = 0) -> Outcomes:
    draw = np.random.default_rng(seed + 100)
    return Outcomes(
        tuple(f"m{at}" for at in range(m)), (draw.random((n, m)) < 0.6) * 1.0,
        COST[:m] * draw.uniform(0.8, 1.2, (n, m)), draw.random((n, m)), np.zeros(n, np.int64),
        ("all",), np.arange(n), scores=(("judge", draw.random((n, m))),),
    )  # fmt: skip


def test_the_best_of_two_normals_is_clarks_formula() -> None:
    found = beliefs(400, 2, spread=0.05)
    theta = 0.05 * 2**0.5
    a = (found.before[:, 0] - found.before[:, 1]) / theta
    below = np.array([0.5 * (1 + math.erf(x / 2**0.5)) for x in a.tolist()])
    dense = np.exp(-(a**2) / 2) / (2 * math.pi) ** 0.5
    clark = found.before[:, 0] * below + found.before[:, 1] * (1 - below) + theta * dense
    assert np.abs(Supermodels(found).value(0, 0b11) - clark).max() < 0.003


def test_one_unknown_beside_a_known_is_the_call_option_formula() -> None:
    found = beliefs(400, 2, spread=0.05)
    d = (found.before[:, 1] - found.after[:, 0]) / 0.05
    below = np.array([0.5 * (1 + math.erf(x / 2**0.5)) for x in d.tolist()])
    dense = np.exp(-(d**2) / 2) / (2 * math.pi) ** 0.5
    option = found.after[:, 0] + 0.05 * (d * below + dense)
    assert np.abs(Supermodels(found).value(0b01, 0b11) - option).max() < 0.003


@pytest.mark.parametrize("spread", [0.0, 0.2, 0.5])
def test_the_worth_of_two_is_bounded_by_one_and_by_either_of_them(spread: float) -> None:
    found = beliefs(50, 2, spread=spread)
    sets = Supermodels(found)
    both = sets.value(0, 0b11)
    assert (both <= 1).all()
    assert (both >= found.before.max(axis=1) - 1e-6).all()
    # A right answer in hand leaves nothing to gain.
    known = Beliefs(found.before, np.ones((50, 2)), found.cost_usd, found.covariance)
    assert np.array_equal(Supermodels(known).value(0b01, 0b11), np.ones(50))


def test_what_has_run_is_known_and_one_alone_is_its_mean() -> None:
    found = beliefs(30, 3)
    sets = Supermodels(found)
    assert np.array_equal(sets.value(0b101, 0b101), found.after[:, [0, 2]].max(axis=1))
    assert np.array_equal(sets.value(0, 0b010), found.before[:, 1])


@given(st.integers(0, 200), st.integers(2, 4), st.floats(0, 0.5))
def test_pruning_changes_no_decision(seed: int, m: int, price: float) -> None:
    found = beliefs(20, m, seed)
    pruned, full = Supermodels(found), Supermodels(found, prune=False)
    for run in range(1 << m):
        assert np.array_equal(pruned.best(run, price), full.best(run, price))
    assert pruned.computed <= full.computed


def test_pruning_leaves_out_sets_nobody_needs() -> None:
    found = beliefs(200, 4)
    pruned, full = Supermodels(found), Supermodels(found, prune=False)
    for sets in (pruned, full):
        sets.best(0, 0.5)
    assert pruned.computed < full.computed


@given(st.integers(0, 100), st.floats(0, 0.3), st.booleans())
def test_the_best_set_is_the_best_of_all_supersets(seed: int, price: float, nested: bool) -> None:  # noqa: FBT001 - drawn
    found = beliefs(10, 3, seed)
    sets = Supermodels(found, nested=nested)
    allowed = [0b001, 0b011, 0b111] if nested else list(range(1, 8))
    for run in allowed:
        tau = np.array([
            sets.value(run, members) - price * found.cost_usd[:, [i for i in range(3)
            if (members & ~run) >> i & 1]].sum(axis=1)
            for members in allowed if members & run == run
        ])  # fmt: skip
        chosen = sets.best(run, price)
        own = [members for members in allowed if members & run == run]
        at = np.array([own.index(members) for members in chosen.tolist()])
        assert np.allclose(tau[at, np.arange(10)], tau.max(axis=0), atol=1e-12)


def walked(sets: Supermodels, row: int, prices: list[float]) -> list[int]:
    """The models one request asks, in order, by the rule as it is stated."""
    run, asked = 0, []
    for price in prices:
        goal = int(sets.best(run, price)[row])
        if goal == run:
            break
        wanted = [at for at in range(sets.models) if (goal & ~run) >> at & 1]
        cost = sets.beliefs.cost_usd[row]
        model = wanted[0] if sets.nested else min(wanted, key=lambda at: cost[at])
        asked.append(model)
        run |= 1 << model
    return asked


@pytest.mark.parametrize("nested", [False, True])
def test_every_request_pays_and_waits_for_the_models_it_walked_through(*, nested: bool) -> None:
    n, ladder = 60, Ladder((2, 0, 1), judge_cost_usd=0.25, judge_latency_s=0.5)
    found, table = beliefs(n, 3, 7), outcomes(n, 3, 7)
    sets, rows = Supermodels(found, nested=nested), np.arange(n)
    prices = np.array([[0.02, 0.05, 0.01], [0.2, 0.01, 0.3], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    family = Stepwise(sets, rows, prices, outcome_of_sets(table, ladder, rows, found.after))
    assert family.settings == 4
    depths = set()
    for setting in range(4):
        served = family.serve(rows[::2], setting)
        for at, row in enumerate(rows[::2].tolist()):
            asked = walked(sets, row, prices[setting].tolist())
            models = [ladder.order[step] for step in asked]
            answer = ladder.order[max(asked, key=lambda step: found.after[row, step])]
            assert served.quality[at] == table.quality[row, answer]
            cost = sum(table.cost_usd[row, model] + 0.25 for model in models)
            assert served.cost_usd[at] == pytest.approx(cost)
            assert table.latency_s is not None
            assert served.latency_s is not None
            late = sum(table.latency_s[row, model] + 0.5 for model in models)
            assert served.latency_s[at] == pytest.approx(late)
            depths.add(len(asked))
    assert depths >= {1, 2, 3}


def test_without_a_price_a_judge_who_knows_all_finds_every_right_answer() -> None:
    table = outcomes(80, 3)
    found = Beliefs(np.full((80, 3), 0.6), table.quality, table.cost_usd, 0.24 * np.eye(3))
    rows = np.arange(80)
    family = Stepwise(
        Supermodels(found), rows, np.array([[1e-6] * 3]),
        outcome_of_sets(table, Ladder((0, 1, 2)), rows, found.after),
    )  # fmt: skip
    served = family.serve(rows, 0)
    assert np.array_equal(served.quality, table.quality.max(axis=1))
    # Once an answer is right nothing more is asked for.
    right_at_once = table.quality[:, 0] == 1
    assert np.allclose(served.cost_usd[right_at_once], table.cost_usd[right_at_once, 0])


def test_beliefs_after_an_answer_follow_the_judge_and_else_stay() -> None:
    table = outcomes(300, 2)
    scores = np.column_stack([table.quality[:, 0], np.full(300, np.nan)])
    judged = Outcomes(
        table.models, table.quality, table.cost_usd, None, table.task, table.tasks, table.cluster,
        scores=(("judge", scores), ("first", scores[:, 0])),
    )  # fmt: skip
    fit, rows = np.arange(200), np.arange(200, 300)
    for name in ("judge", "first"):
        found = believe(judged, Ladder((0, 1), judge_cost_usd=0.1), name, fit, rows)
        assert np.allclose(found.after[:, 0], table.quality[rows, 0], atol=1e-6)
        assert np.array_equal(found.after[:, 1], found.before[:, 1])
        assert found.covariance[0, 0] == pytest.approx(table.quality[fit, 0].var(), rel=0.01)
        assert found.cost_usd[0, 0] == pytest.approx(table.cost_usd[fit, 0].mean() + 0.1, rel=0.01)


def test_where_there_is_text_beliefs_before_the_answer_follow_the_words() -> None:
    table = outcomes(300, 2)
    easy = np.arange(300) % 2 == 0
    table.quality[:, 0] = easy
    text = tuple("hello thanks" if one else "prove theorem" for one in easy.tolist())
    told = Outcomes(
        table.models, table.quality, table.cost_usd, None, table.task, table.tasks, table.cluster,
        text=text, scores=table.scores,
    )  # fmt: skip
    rows = np.arange(200, 300)
    found = believe(told, Ladder((0, 1)), "judge", np.arange(200), rows)
    assert found.before[easy[rows], 0].min() > 0.8
    assert found.before[~easy[rows], 0].max() < 0.2


def area(found: Beliefs, table: Outcomes, prices: np.ndarray) -> float:
    """Mean quality from the cheapest to the dearest model's cost, of the best mixes of settings."""
    rows = np.arange(len(table))
    ladder = Ladder(tuple(range(len(table.models))))
    family = Stepwise(
        Supermodels(found), rows, prices, outcome_of_sets(table, ladder, rows, found.after)
    )
    served = [family.serve(rows, setting) for setting in range(family.settings)]
    cost = np.array([[one.cost_usd.mean() for one in served]])
    quality = np.array([[one.quality.mean() for one in served]])
    low, high = table.cost_usd.mean(axis=0)[[0]], table.cost_usd.mean(axis=0)[[-1]]
    return float(mean_height(hulls(cost, quality), low, high, np.zeros(1))[0])


@pytest.mark.slow
def test_few_prices_find_what_a_fine_search_finds() -> None:
    n, draw = 1500, np.random.default_rng(8)
    hard = draw.normal(size=(n, 1))
    truth = (draw.random((n, 3)) < 1 / (1 + np.exp(hard - np.array([0.0, 1.0, 2.0])))) * 1.0
    cost = np.array([1.0, 5.0, 25.0]) * draw.uniform(0.5, 1.5, (n, 3))
    table = Outcomes(
        ("a", "b", "c"), truth, cost, None, np.zeros(n, np.int64), ("all",), np.arange(n)
    )
    parts = []
    for noise in (0.6, 0.3):
        seen = truth + draw.normal(0, noise, truth.shape)
        lines = [np.polyfit(x, y, 1) for x, y in zip(seen.T, truth.T, strict=True)]
        parts.append(np.clip(np.column_stack([np.polyval(line, x) for line, x in
                                              zip(lines, seen.T, strict=True)]), 0, 1))  # fmt: skip
    moved = parts[1] - parts[0]
    found = Beliefs(parts[0], parts[1], cost, moved.T @ moved / n)
    few = area(found, table, price_paths(cost))
    fine = area(found, table, price_paths(cost, knob=60, shifts=tuple(range(-12, 13, 2))))
    assert fine - few < 0.001
    # One price for every step is never better than a price per step.
    assert few >= area(found, table, price_paths(cost, shifts=(0,))) - 1e-12


@pytest.mark.parametrize("m", [2, 3, 4])
def test_prices_start_at_nothing_and_one_per_step_is_among_them(m: int) -> None:
    paths = price_paths(np.tile(COST[:m], (5, 1)), knob=10)
    assert paths.shape[1] == m
    assert (paths >= 0).all()
    assert (paths == 0).all(axis=1).any()
    shared = (paths == paths[:, :1]).all(axis=1)
    assert shared.sum() >= 11
    assert len(np.unique(paths, axis=0)) == len(paths)


def test_more_models_than_sets_can_be_gone_through_are_refused() -> None:
    many = np.zeros((2, 7))
    with pytest.raises(LlmopsError, match="over 7 models"):
        Supermodels(Beliefs(many, many, many, np.eye(7)))
