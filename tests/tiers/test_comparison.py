"""The comparison: figures against plain definitions, baselines, pairing, determinism, coverage."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.comparison import CompareParameters, Comparison, compare_policies
from llmops_cli.tiers.figures import PolicyResult
from llmops_cli.tiers.metrics import METHODS
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Served, select

QUICK = CompareParameters(resamples=200)


def drawn(n: int = 400, seed: int = 0, *, late: bool = True) -> Outcomes:
    """Three models, the dearer the better; a judge whose score tells right from wrong mostly."""
    draw = np.random.default_rng(seed)
    task = draw.integers(0, 3, n)
    hard = draw.normal(size=n)
    skill = np.array([0.2, 0.9, 1.8]) + 0.8 * (task[:, None] == 0) * np.array([1, 0, 0])
    quality = (draw.random((n, 3)) < 1 / (1 + np.exp(hard[:, None] - skill))) * 1.0
    cost = np.array([1e-4, 1e-3, 6e-3]) * draw.uniform(0.5, 1.5, (n, 3))
    judge = quality + draw.normal(0, 0.4, (n, 3))
    return Outcomes(
        ("small", "middle", "large"), quality, cost, draw.random((n, 3)) if late else None, task,
        ("a", "b", "c"), np.arange(n) // 2, scores=(("judge", judge),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Comparison:
    given = drawn()
    upper = Served(given.quality[:, 1], given.cost_usd[:, 1], None)
    return compare_policies(
        given,
        replace(
            QUICK, cascades=(("small", "middle", "large"), ("small", "large")), judge="judge",
            judge_cost_usd=1e-5, judge_latency_s=0.1, extra=(("plan", upper),),
        ),
    )  # fmt: skip


def test_every_baseline_is_there_and_every_figure_is_explained(found: Comparison) -> None:
    names = [policy.name for policy in found.policies]
    assert names[:5] == ["small", "middle", "large", "random mix", "static table"]
    assert names[-1] == "oracle"
    assert len(set(names)) == len(names)
    for policy in found.policies:
        for one in policy.estimates:
            assert one.method == METHODS[one.name]
    assert (found.reference, found.cheapest) == ("large", "small")
    assert (found.rows, found.clusters, found.folds) == (400, 200, 5)


def test_values_lie_in_their_intervals(found: Comparison) -> None:
    for policy in found.policies:
        for one in policy.estimates:
            if one.low is not None and one.high is not None:
                assert one.low - 1e-9 <= one.value <= one.high + 1e-9 or one.name in (
                    "qnc", "saving_at_equal_quality", "arena_score", "cpt20", "cpt50", "cpt80"
                ), (policy.name, one)  # fmt: skip


def test_single_models_are_their_means() -> None:
    given = drawn()
    single = compare_policies(given, QUICK).policy("middle")
    assert single.estimate("quality").value == pytest.approx(given.quality[:, 1].mean())
    assert single.estimate("cost_usd").value == pytest.approx(given.cost_usd[:, 1].mean())
    assert given.latency_s is not None
    assert single.estimate("latency_s").value == pytest.approx(given.latency_s[:, 1].mean())
    assert single.estimate("saving").value == pytest.approx(
        1 - given.cost_usd[:, 1].mean() / given.cost_usd[:, 2].mean()
    )


def test_a_plan_from_elsewhere_stands_beside_and_is_measured_alike(found: Comparison) -> None:
    given_, single = found.policy("plan"), found.policy("middle")
    assert given_.estimate("quality") == single.estimate("quality")
    assert "latency_s" not in {one.name for one in given_.estimates}


def test_the_random_mix_recovers_what_it_buys(found: Comparison) -> None:
    mix = found.policy("random mix")
    for name, value in {"apgr": 0.5, "cpt20": 0.2, "cpt50": 0.5, "cpt80": 0.8}.items():
        one = mix.estimate(name)
        assert one.value == pytest.approx(value)
        assert one.low == pytest.approx(value)
        assert one.high == pytest.approx(value)
    assert mix.estimate("saving_at_equal_quality").value == pytest.approx(0, abs=1e-9)


def by_definition(policy: PolicyResult, found: Comparison) -> dict[str, float]:
    """The same figures from the points, by the best mix of any two of them on a fine grid."""
    weak, strong, dear = found.policy("small"), found.policy("large"), found.policy("large")
    x, y = policy.cost_usd, policy.quality
    low, high = weak.cost_usd[0], strong.cost_usd[0]
    floor, top = weak.quality[0], strong.quality[0]

    def height(at: np.ndarray) -> np.ndarray:
        best = np.full(len(at), -np.inf)
        for i, j in itertools.product(range(len(x)), repeat=2):
            if x[i] < x[j]:
                between = (at >= x[i]) & (at <= x[j])
                line = y[i] + (y[j] - y[i]) * (at - x[i]) / (x[j] - x[i])
                best = np.where(between, np.maximum(best, line), best)
            best = np.where(at >= x[i], np.maximum(best, y[i]), best)
        return np.where(at < x.min(), floor, best)

    grid = np.linspace(low, dear.cost_usd[0], 40_001)
    fine = np.linspace(low, high, 40_001)
    reached = fine[height(fine) >= top - 1e-12]
    figures = {
        "aiq": float(height(grid).mean()),
        "apgr": float(((height(fine) - floor) / (top - floor)).mean()),
        "qnc": float(reached[0] / high) if len(reached) else 1.0,
        "performance_gain": float(policy.quality[-1] - top),
        "gap_to_oracle": float(found.policy("oracle").quality[-1] - policy.quality[-1]),
        "gain_over_table": float((policy.quality - found.policy("static table").quality).mean()),
    }
    for name, share in {"cpt20": 0.2, "cpt50": 0.5, "cpt80": 0.8}.items():
        at = fine[height(fine) >= floor + share * (top - floor)]
        figures[name] = float((at[0] - low) / (high - low))
    return figures


@pytest.mark.parametrize(
    "name", ["static table", "cascade small > large", "cascade routing small > middle > large"]
)
def test_figures_of_a_curve_are_their_definitions(found: Comparison, name: str) -> None:
    policy = found.policy(name)
    for figure, value in by_definition(policy, found).items():
        assert policy.estimate(figure).value == pytest.approx(value, abs=1e-4), figure


def test_the_oracle_is_never_beaten_and_a_table_never_beats_its_own_range(
    found: Comparison,
) -> None:
    oracle = found.policy("oracle")
    for policy in found.policies:
        assert policy.estimate("gap_to_oracle").value >= -1e-9
        assert (policy.quality <= oracle.quality[-1] + 1e-9).all()


def test_a_good_judge_makes_the_cascade_cheaper_at_equal_quality(found: Comparison) -> None:
    for name in ("cascade small > large", "optimal cascade small > middle > large",
                 "cascade routing small > middle > large"):  # fmt: skip
        saving = found.policy(name).estimate("saving_as_planned")
        loss = found.policy(name).estimate("loss_as_planned")
        assert saving.low is not None
        assert loss.low is not None
        assert saving.low > 0.2
        assert loss.low < 0.02


def test_an_optimal_cascade_is_no_worse_than_constant_cuts_and_routing_than_either(
    found: Comparison,
) -> None:
    steps = "small > middle > large"
    cuts, optimal, routing = (
        found.policy(f"{kind} {steps}").estimate("aiq").value
        for kind in ("cascade", "optimal cascade", "cascade routing")
    )
    assert optimal > cuts - 0.01
    assert routing > optimal - 0.01
    assert found.policy("oracle").estimate("aiq").value > routing
    assert cuts > found.policy("static table").estimate("aiq").value


def test_the_same_seed_gives_the_same_figures() -> None:
    asked = replace(QUICK, cascades=(("small", "large"),), judge="judge")
    one, same = (compare_policies(drawn(120), asked) for _ in range(2))
    for left, right in zip(one.policies, same.policies, strict=True):
        assert repr(left.estimates) == repr(right.estimates)


def test_the_names_of_clusters_do_not_matter() -> None:
    given = drawn(300)
    renamed = replace(given, cluster=given.cluster * 7 + 3)
    one, other = (compare_policies(table, QUICK) for table in (given, renamed))
    for left, right in zip(one.policies, other.policies, strict=True):
        assert repr(left.estimates) == repr(right.estimates)


def test_a_cost_of_nothing_leaves_ratios_undefined_not_wrong() -> None:
    given = replace(drawn(60), cost_usd=np.zeros((60, 3)))
    found = compare_policies(given, QUICK)
    assert np.isnan(found.policy("small").estimate("saving").value)
    assert found.policy("small").estimate("saving").low is None
    assert np.isnan(found.policy("static table").estimate("aiq").value)


def test_models_all_alike_leave_no_gap_to_recover() -> None:
    given = replace(drawn(60), quality=np.ones((60, 3)))
    found = compare_policies(given, QUICK)
    # The cheapest of equals is the reference.
    assert found.reference == "small"
    assert np.isnan(found.policy("random mix").estimate("apgr").value)


def test_without_latencies_none_is_reported() -> None:
    found = compare_policies(drawn(60, late=False), QUICK)
    assert all(policy.latency_s is None for policy in found.policies)


@pytest.mark.parametrize(
    ("asked", "slug", "code"),
    [
        ({"reference": "huge"}, "tiers-unknown-model", ExitCode.USAGE),
        ({"cascades": (("small", "huge"),), "judge": "judge"}, "tiers-unknown-model", 2),
        ({"cascades": (("small", "large"),)}, "tiers-no-score", ExitCode.BAD_INPUT),
        ({"cascades": (("small",),), "judge": "judge"}, "tiers-bad-ladder", ExitCode.USAGE),
    ],
)
def test_what_cannot_be_compared_is_refused(asked: dict, slug: str, code: int) -> None:
    with pytest.raises(LlmopsError) as raised:
        compare_policies(drawn(60), replace(QUICK, **asked))
    assert (raised.value.slug, raised.value.exit_code) == (slug, code)


def test_rows_that_lack_a_model_are_refused_with_their_number_and_can_be_left_out() -> None:
    given = drawn(60)
    given.quality[3, 1] = np.nan
    with pytest.raises(LlmopsError, match="1 of 60 requests"):
        compare_policies(given, QUICK)
    kept = select(given, given.complete)
    assert len(kept) == 59
    assert compare_policies(kept, QUICK).rows == 59


def test_a_selection_takes_every_column_along() -> None:
    given = replace(
        drawn(6), chosen=np.arange(6) % 3, propensity=np.linspace(0.1, 1, 6), text=tuple("abcdef")
    )
    kept = select(given, np.array([4, 1]))
    assert kept.text == ("e", "b")
    assert kept.chosen is not None
    assert kept.chosen.tolist() == [1, 1]
    assert kept.propensity is not None
    assert kept.propensity[0] == given.propensity[4]  # type: ignore[index]
    assert np.array_equal(kept.scores[0][1], given.scores[0][1][[4, 1]])
    assert kept.latency_s is not None


@pytest.mark.slow
def test_intervals_of_the_curves_cover_what_many_rows_show() -> None:
    names = ("aiq", "apgr", "performance_gain", "gap_to_oracle", "arena_score")
    asked = CompareParameters(resamples=300, level=0.9)
    truth = compare_policies(drawn(60_000, 999, late=False), replace(asked, resamples=10))
    hits = dict.fromkeys(names, 0)
    runs = 120
    for run in range(runs):
        found = compare_policies(drawn(400, run, late=False), replace(asked, seed=run))
        for name in names:
            # Neither learns from the rows, so that both aim at the same figure at any size.
            policy = "oracle" if name != "gap_to_oracle" else "random mix"
            one = found.policy(policy).estimate(name)
            assert one.low is not None
            assert one.high is not None
            hits[name] += one.low <= truth.policy(policy).estimate(name).value <= one.high
    for name, count in hits.items():
        assert 0.80 <= count / runs <= 0.98, (name, count / runs)
