"""Routers: the rule, what they may learn from, where they find a signal and where there is none."""

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.budgets import Board, held_out, plan, serve_mixes
from llmops_cli.tiers.comparison import CompareParameters, compare_policies
from llmops_cli.tiers.estimates import LEARNERS, learned, table_of_tasks
from llmops_cli.tiers.features import learn_features
from llmops_cli.tiers.folds import folds
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Curve
from llmops_cli.tiers.routers import Routed, external, learned_router, oracle, price_grid

COST = np.array([1.0, 10.0])


def drawn(n: int, *, signal: float, seed: int = 0, size: int = 1) -> Outcomes:
    """Hard requests say so in their words; only the weak model minds, as much as ``signal``."""
    draw = np.random.default_rng(seed)
    hard = draw.random(n) < 0.5
    task = draw.integers(0, 2, n)
    weak = draw.random(n) < 0.65 - 0.1 * task + np.where(hard, -0.3, 0.3) * signal
    quality = np.column_stack([weak, draw.random(n) < 0.85]) * 1.0
    words = np.where(hard, "prove derive integral", "hello thanks weather")
    filler = draw.choice(["please", "now", "kindly"], (n, 2))
    text = tuple(f"{a} {b} {c}" for a, (b, c) in zip(words, filler, strict=True))
    cost = COST * draw.uniform(0.9, 1.1, (n, 2))
    return Outcomes(
        ("weak", "strong"), quality, cost, None, task, ("chat", "code"), np.arange(n) // size,
        text=text, scores=(("wish", hard + draw.normal(0, 0.3, n)), ("both", quality * 0.5)),
    )  # fmt: skip


def board(given: Outcomes) -> Board:
    return Board(
        given, folds(given.cluster), given.cluster, np.linspace(0, 1, 5), cheapest=0, reference=1
    )


def areas(curve: Curve) -> float:
    return float(curve.quality.sum())


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_every_learner_finds_a_signal_in_the_words(learner: str) -> None:
    given = drawn(900, signal=1.0)
    found = compare_policies(given, CompareParameters(routers=(learner,), resamples=300))
    gain = found.policy(f"router {learner}").estimate("gain_over_table")
    assert gain.low is not None
    assert gain.low > 0.02


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_without_a_signal_no_gain_is_reported(learner: str) -> None:
    given = drawn(600, signal=0.0, seed=3, size=3)
    found = compare_policies(given, CompareParameters(routers=(learner,), resamples=300))
    gain = found.policy(f"router {learner}").estimate("gain_over_table")
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= 0 <= gain.high
    assert gain.value < 0.01


@pytest.mark.slow
def test_over_many_logs_without_a_signal_gains_are_as_often_claimed_as_stated() -> None:
    gains = []
    for seed in range(40):
        given = drawn(600, signal=0.0, seed=seed)
        found = compare_policies(
            given, CompareParameters(routers=("logistic",), resamples=300, seed=seed)
        )
        gains.append(found.policy("router logistic").estimate("gain_over_table"))
    assert sum(one.low > 0 for one in gains) <= 3  # type: ignore[operator]
    assert np.mean([one.value for one in gains]) < 0.001


def test_a_logged_score_with_a_signal_beats_the_random_mix_and_is_cut_on_other_rows() -> None:
    given = drawn(900, signal=1.0)
    found = compare_policies(given, CompareParameters(external=("wish", "both"), resamples=300))
    apgr = {name: found.policy(name).estimate("apgr").value for name in
            ("random mix", "score wish", "score both", "oracle")}  # fmt: skip
    assert apgr["random mix"] == pytest.approx(0.5)
    assert apgr["score wish"] > 0.8
    assert apgr["score both"] == pytest.approx(apgr["oracle"], rel=0.02)


def test_nothing_of_the_scored_clusters_reaches_a_router() -> None:
    given = drawn(300, signal=1.0, size=2)
    lying = drawn(300, signal=1.0, size=2)
    fold = board(given).folds[0]
    # Other outcomes on the scored rows must leave every choice on them as it was.
    lying.quality[fold.score] = 1 - lying.quality[fold.score]
    lying.cost_usd[fold.score] = 1.0
    for training in ("logistic", "knn", "boosting"):
        mixes, chosen = [], []
        for table in (given, lying):
            own = board(table)
            family, rows = learned_router(own, training)(own.folds[0])
            assert isinstance(family, Routed)
            mixes.append(plan(own, family, rows))
            chosen.append(family.quality[fold.score])
        assert mixes[0] == mixes[1]
        assert np.array_equal(chosen[0], chosen[1])


def test_features_of_a_row_do_not_hang_on_the_rows_beside_it() -> None:
    given = drawn(200, signal=1.0)
    features = learn_features(given, np.arange(100))
    together = features(np.arange(100, 200))
    assert np.allclose(features(np.array([150])), together[50])
    assert np.isfinite(together).all()


@pytest.mark.parametrize(
    "text", [None, ("",) * 60, ("same words",) * 60, tuple(str(at) for at in range(60))]
)
def test_text_that_says_nothing_leaves_the_task(text: tuple[str, ...] | None) -> None:
    whole = drawn(60, signal=1.0)
    given = Outcomes(
        whole.models, whole.quality, whole.cost_usd, None, whole.task, whole.tasks, whole.cluster,
        text=text,
    )  # fmt: skip
    for learner in LEARNERS:
        quality, cost = learned(given, np.arange(40), learner)(np.arange(40, 60))
        assert quality.shape == cost.shape == (20, 2)
        assert ((quality >= 0) & (quality <= 1)).all()
        assert (cost >= 0).all()


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_graded_and_constant_quality_are_learned(learner: str) -> None:
    whole = drawn(300, signal=0.0)
    quality = np.column_stack([np.full(300, 1.0), 0.3 + 0.4 * whole.task])
    given = Outcomes(
        whole.models, quality, whole.cost_usd, None, whole.task, whole.tasks, whole.cluster
    )
    found, _ = learned(given, np.arange(200), learner)(np.arange(200, 300))
    assert np.allclose(found[:, 0], 1.0)
    assert np.abs(found[:, 1] - quality[200:, 1]).max() < 0.1


def test_of_very_many_rows_some_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmops_cli.tiers.estimates._MOST", 50)
    given = drawn(300, signal=1.0)
    one, same, every = (
        learned(given, fit, "knn", seed=1)(np.arange(250, 300))[0]
        for fit in (np.arange(200), np.arange(200), np.arange(50))
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, every)


def test_small_tasks_lean_on_the_mean_of_all() -> None:
    given = drawn(100, signal=0.0)
    given.task[:] = 0
    given.task[:2] = 1
    given.quality[:2] = 0.0
    quality, _ = table_of_tasks(given, np.arange(100))(np.arange(3))
    overall = given.quality.mean(axis=0)
    assert np.allclose(quality[0], 5 * overall / 7)
    assert np.allclose(quality[2], (given.quality.sum(axis=0) + 5 * overall) / 103)


def test_the_oracle_at_any_price_is_the_best_choice_per_request() -> None:
    own = board(drawn(50, signal=1.0))
    family, _ = oracle(own)(own.folds[0])
    rows = np.arange(50)
    assert isinstance(family, Routed)
    for setting, price in enumerate(family.prices.tolist()):
        served = family.serve(rows, setting)
        best = (own.outcomes.quality - price * own.outcomes.cost_usd).max(axis=1)
        assert np.allclose(served.quality - price * served.cost_usd, best)


def test_prices_reach_from_quality_alone_to_cost_alone() -> None:
    cost = np.tile([1.0, 1.5, 40.0], (4, 1))
    prices = price_grid(cost)
    assert prices[0] == 0
    assert prices[1] * 40 < 0.01
    assert prices[-1] * 0.5 > 1
    assert price_grid(np.ones((4, 2))).tolist() == [0.0]


@pytest.mark.parametrize("planned", [0.0, 0.3, 1.0])
def test_budgets_are_kept_where_they_were_planned(planned: float) -> None:
    given = drawn(400, signal=1.0)
    own = Board(given, folds(given.cluster), given.cluster, np.array([planned]), 0, 1)
    rows = np.arange(400)
    family, _ = external(own, "wish")(own.folds[0])
    served = serve_mixes(own, family, rows, plan(own, family, rows))
    low, high = given.cost_usd.mean(axis=0)
    assert served[0].cost_usd.mean() <= low + planned * (high - low) + 1e-9
    # The last mix equals the reference's quality for no more than its cost.
    assert served[-1].quality.mean() >= given.quality[:, 1].mean() - 1e-9
    assert served[-1].cost_usd.mean() <= high + 1e-9


def test_held_out_rows_are_all_served_once() -> None:
    given = drawn(101, signal=1.0)
    own = board(given)
    curve = held_out(own, "x", "external", external(own, "wish"))
    assert curve.cost_usd[:, 0].sum() == pytest.approx(given.cost_usd[:, 0].sum())
    assert curve.quality[:, 0].sum() == pytest.approx(given.quality[:, 0].sum())
    assert areas(curve) > 0


@pytest.mark.parametrize(
    ("name", "said"), [("nobody", "no score 'nobody'"), ("holes", "lacks 1 values")]
)
def test_scores_that_are_not_there_are_refused(name: str, said: str) -> None:
    given = drawn(30, signal=1.0)
    broken = Outcomes(
        given.models, given.quality, given.cost_usd, None, given.task, given.tasks, given.cluster,
        scores=(("holes", np.append(np.nan, np.ones(29))),),
    )  # fmt: skip
    with pytest.raises(LlmopsError, match=said):
        compare_policies(broken, CompareParameters(external=(name,)))


def test_a_learner_nobody_knows_is_refused() -> None:
    with pytest.raises(LlmopsError, match="'mlp'"):
        compare_policies(drawn(30, signal=1.0), CompareParameters(routers=("mlp",)))
