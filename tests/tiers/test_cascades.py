"""Cascades replayed: against formulas, a loop over rows, coin flips, and published counts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.stats.deferral import Deferral
from llmops_cli.tiers.cascades import (
    Ladder,
    accept_chance,
    logged_accept,
    logged_scores,
    replay,
    sweep,
)
from llmops_cli.tiers.outcomes import Outcomes

RATES = st.floats(0, 1)


def table(quality: np.ndarray, cost: np.ndarray | None = None, **more: object) -> Outcomes:
    n, m = quality.shape
    spent = np.tile(10.0 ** np.arange(m), (n, 1)) if cost is None else cost
    late = more.pop("latency_s", None)
    return Outcomes(
        tuple(f"m{at}" for at in range(m)), quality.astype(float), spent, late,  # type: ignore[arg-type]
        np.zeros(n, np.int64), ("all",), np.arange(n), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def drawn(n: int, m: int, seed: int = 0) -> Outcomes:
    draw = np.random.default_rng(seed)
    cost = draw.gamma(2, 1, (n, m)) * 4.0 ** np.arange(m)
    return table((draw.random((n, m)) < 0.6) * 1.0, cost, latency_s=draw.random((n, m)))


pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(pairs, st.floats(0, 5))
def test_a_perfect_judge_gives_the_weak_right_and_the_strong_on_the_rest(
    outcomes: list[tuple[bool, bool]], judging: float
) -> None:
    given_ = table(np.array(outcomes))
    ladder = Ladder((0, 1), judge_cost_usd=judging)
    served = replay(given_, ladder, accept_chance(given_, ladder, 1.0, 1.0))
    weak, strong = given_.quality.T
    p = weak.mean()
    b = strong[weak == 0].mean() if p < 1 else 0.0
    assert served.quality.mean() == pytest.approx(p + (1 - p) * b)
    assert served.cost_usd.mean() == pytest.approx(1.0 + judging + (1 - p) * 10.0)


@given(pairs, RATES, RATES)
def test_two_tiers_are_the_formula_of_rates_and_counts(
    outcomes: list[tuple[bool, bool]], sensitivity: float, specificity: float
) -> None:
    given_ = table(np.array(outcomes))
    ladder = Ladder((0, 1))
    served = replay(given_, ladder, accept_chance(given_, ladder, sensitivity, specificity))
    kinds = [sum(pair == kind for pair in outcomes) for kind in
             ((True, True), (True, False), (False, True), (False, False))]  # fmt: skip
    formula = Deferral(*kinds)
    assert served.quality.mean() == pytest.approx(formula.quality(sensitivity, specificity))
    assert served.cost_usd.mean() == pytest.approx(
        formula.cost(sensitivity, specificity, kept=1.0, dear=10.0)
    )


def row_by_row(given_: Outcomes, ladder: Ladder, accept: np.ndarray, cap: float = np.inf) -> tuple:
    """Every way the verdicts can fall, each with its probability, one request at a time."""
    quality, cost = np.zeros(len(given_)), np.zeros(len(given_))
    tiers = len(ladder.order)
    for row in range(len(given_)):
        for verdicts in product((True, False), repeat=tiers - 1):
            chance, spent = 1.0, 0.0
            for yes, rate in zip(verdicts, accept[row], strict=True):
                chance *= rate if yes else 1 - rate
            for at, model in enumerate(ladder.order):
                spent += given_.cost_usd[row, model]
                last = at == tiers - 1
                if not last:
                    following = given_.cost_usd[row, ladder.order[at + 1]]
                    last = spent + ladder.judge_cost_usd + following > cap
                if last:
                    break
                spent += ladder.judge_cost_usd
                if verdicts[at]:
                    break
            quality[row] += chance * given_.quality[row, model]
            cost[row] += chance * spent
    return quality, cost


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 2), (2, 0, 1), (0, 1, 2, 3)])
def test_an_escalated_request_pays_every_tier_it_touched(order: tuple[int, ...]) -> None:
    given_, ladder = drawn(25, 4), Ladder(order, judge_cost_usd=0.3)
    accept = np.random.default_rng(1).random((25, len(order) - 1))
    served = replay(given_, ladder, accept)
    quality, cost = row_by_row(given_, ladder, accept)
    assert np.allclose(served.quality, quality, atol=1e-12)
    assert np.allclose(served.cost_usd, cost, atol=1e-12)


def test_time_adds_up_like_money() -> None:
    given_ = drawn(40, 3)
    accept = np.random.default_rng(2).random((40, 2))
    served = replay(given_, Ladder((0, 1, 2), judge_latency_s=0.2), accept)
    assert given_.latency_s is not None
    as_money = Outcomes(
        given_.models, given_.quality, given_.latency_s, None, given_.task, given_.tasks,
        given_.cluster,
    )  # fmt: skip
    assert served.latency_s is not None
    expected = replay(as_money, Ladder((0, 1, 2), judge_cost_usd=0.2), accept)
    assert np.allclose(served.latency_s, expected.cost_usd)
    assert expected.latency_s is None


def test_a_sweep_is_the_loop_over_rows_at_every_reliability_and_cap() -> None:
    given_, ladder = drawn(30, 4, seed=3), Ladder((0, 1, 2, 3), judge_cost_usd=0.5)
    rates, caps = np.array([1.0, 0.8, 0.5]), np.array([0.0, 5.0, 20.0, 90.0, np.inf])
    found = sweep(given_, ladder, rates, caps)
    assert found.quality.shape == (3, 5)
    for i, j in product(range(3), range(5)):
        accept = accept_chance(given_, ladder, rates[i], rates[i])
        quality, cost = row_by_row(given_, ladder, accept, caps[j])
        assert found.quality[i, j] == pytest.approx(quality.mean(), abs=1e-12)
        assert found.cost_usd[i, j] == pytest.approx(cost.mean(), abs=1e-12)


def test_expectation_is_what_many_coin_flips_average() -> None:
    given_, ladder = drawn(200, 3, seed=4), Ladder((0, 1, 2))
    accept = accept_chance(given_, ladder, 0.8, 0.8)
    draw = np.random.default_rng(5)
    flips = [
        replay(given_, ladder, (draw.random(accept.shape) < accept) * 1.0).quality.mean()
        for _ in range(2000)
    ]
    assert np.mean(flips) == pytest.approx(replay(given_, ladder, accept).quality.mean(), abs=2e-3)


@given(st.integers(0, 99))
def test_a_lower_cap_never_costs_more(seed: int) -> None:
    found = sweep(
        drawn(20, 4, seed), Ladder((0, 1, 2, 3)), np.array([0.7]), np.array([1.0, 9.0, 50.0, 1e9])
    )
    assert (np.diff(found.cost_usd[0]) >= -1e-12).all()


@pytest.mark.parametrize(
    ("reliability", "points"),
    [(1.0, 3.6), (0.95, 2.5), (0.9, 1.5), (0.85, 0.5), (0.8, -0.7), (0.7, -2.6), (0.5, -6.8)],
)
def test_mixtral_then_gpt4_on_routerbench_as_published(reliability: float, points: float) -> None:
    # 3,148 rows: gpt-4 right in 2769, 547 of them where Mixtral is wrong, and 112 only Mixtral.
    # The figures to meet are means of 20 draws of flips, to one decimal.
    kinds = [(1, 1)] * 2222 + [(1, 0)] * 112 + [(0, 1)] * 547 + [(0, 0)] * 267
    given_, ladder = table(np.array(kinds)), Ladder((0, 1))
    served = replay(given_, ladder, accept_chance(given_, ladder, reliability, reliability))
    assert given_.quality[:, 1].mean() == pytest.approx(0.8796, abs=1e-4)
    found = 100 * (served.quality.mean() - given_.quality[:, 1].mean())
    assert found == pytest.approx(points, abs=0.25)


@pytest.mark.parametrize("order", [(0,), (), (0, 0), (1, 0, 1)])
def test_a_ladder_asks_two_models_or_more_each_once(order: tuple[int, ...]) -> None:
    with pytest.raises(LlmopsError, match="two models or more"):
        Ladder(order)


@pytest.mark.parametrize(
    ("accept", "said"),
    [
        (np.ones((5, 1)), "one verdict per request"),
        (np.full((5, 2), 1.5), "between 0 and 1"),
        (np.full((5, 2), np.nan), "between 0 and 1"),
    ],
)
def test_verdicts_that_are_no_chances_are_refused(accept: np.ndarray, said: str) -> None:
    with pytest.raises(LlmopsError, match=said):
        replay(drawn(5, 3), Ladder((0, 1, 2)), accept)


def test_rates_outside_their_range_are_refused() -> None:
    with pytest.raises(LlmopsError, match="rates"):
        accept_chance(drawn(5, 2), Ladder((0, 1)), 1.2, 0.5)


def test_logged_scores_are_read_in_the_order_of_the_ladder() -> None:
    scores = np.arange(12.0).reshape(4, 3) / 12
    given_ = table(np.ones((4, 3)), scores=(("judge", scores), ("first", scores[:, 0])))
    assert np.array_equal(logged_scores(given_, Ladder((2, 0, 1)), "judge"), scores[:, [2, 0]])
    assert logged_accept(given_, Ladder((0, 1)), "first", 0.3).tolist() == [[0], [0], [1], [1]]


@pytest.mark.parametrize(
    ("name", "order", "said"),
    [
        ("nobody", (0, 1), "no score 'nobody'"),
        ("first", (0, 1, 2), "one value per request"),
        ("holes", (0, 1), "lacks 2 values"),
    ],
)
def test_scores_that_do_not_fit_are_refused(name: str, order: tuple[int, ...], said: str) -> None:
    scores = (("first", np.ones(4)), ("holes", np.array([1.0, np.nan, np.nan, 0.0])))
    with pytest.raises(LlmopsError, match=said):
        logged_scores(table(np.ones((4, 3)), scores=scores), Ladder(order), name)


def test_a_score_that_is_missing_only_for_the_last_model_is_enough() -> None:
    scores = np.column_stack([np.ones(4), np.full(4, np.nan)])
    given_ = table(np.ones((4, 2)), scores=(("judge", scores),))
    assert logged_accept(given_, Ladder((0, 1)), "judge").tolist() == [[1]] * 4
