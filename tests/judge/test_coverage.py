"""Every interval that judge-eval prints, simulated: it covers the truth as often as it says.

One world per kind of log. The truth of a figure is its value in a log of 60,000 rows of the same
world. A figure that is printed with an interval and stands in no list here fails the first test,
so no interval is added without a simulation.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pandas as pd
import pytest

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Report

Draw = np.random.Generator
World = Callable[[Draw, int], pd.DataFrame]
Found = dict[str, tuple[float, float | None, float | None]]

RUNS, ROWS = 60, 400
LEAST = 49
"""Of 60 intervals of 95 %: fewer have probability 0.004 % where the level is kept."""

RATES = frozenset({"accuracy", "majority_baseline", "cohens_kappa", "balanced_accuracy",
    "matthews_correlation", "gwet_ac1", "krippendorff_alpha"})  # fmt: skip
BINARY = RATES | {
    "sensitivity", "specificity", "precision", "negative_predictive_value", "under_routed",
    "over_routed", "cost_weighted_error", "break_even_reliability", "quality_difference",
    "cost_ratio", "latency_following", "latency_strong", "arena_score", "coverage",
    "selective_accuracy", "repeat_stability", "verbosity_effect", "calibration_error", "brier",
    "brier_reliability", "brier_resolution", "brier_uncertainty", "risk_coverage_area",
    "risk_coverage_excess", "held_out_accuracy", "tasks/t0", "tasks/t1",
}  # fmt: skip
TIERS = RATES | {
    "under_routed", "over_routed", "cost_weighted_error", "quadratic_kappa", "macro_f1",
    "quality_difference", "cost_ratio", "gap_to_oracle", "arena_score", "recalls/small",
    "recalls/medium", "recalls/large", "tier_policies/following the judge",
    "tier_policies/always small", "tier_policies/always medium",
    "tier_policies/always large", "tier_policies/oracle: cheapest of the best",
}  # fmt: skip
PAIRS = RATES | {
    "position_consistency", "first_preference", "longer_wrongly_preferred", "repeat_stability",
    "recalls/A", "recalls/B", "recalls/tie",
}  # fmt: skip
CURVE = frozenset({"apgr", "cpt_50", "cpt_80"})
CORRECTED = frozenset({"traffic_naive", "traffic_gold_only", "traffic_rogan_gladen",
    "traffic_prediction_powered"})  # fmt: skip
ERRORS = frozenset({"sensitivity", "specificity", "precision", "negative_predictive_value",
    "under_routed", "over_routed", "cost_weighted_error", "coverage",
    "selective_accuracy"})  # fmt: skip
DRIFT = frozenset({"drift_accuracy", "drift_verdicts", "drift_truth", "earlier_cut_accuracy"})

ELSEWHERE = {
    **dict.fromkeys(CURVE, "test_router_figures.py"),
    "calibration": "stats/test_calibration.py: Wilson intervals of a bin, and test_intervals.py",
}
"""Intervals that another file simulates."""


def binary(draw: Draw, n: int) -> pd.DataFrame:
    """Accept or reject, with all that can be logged beside it."""
    sure = draw.beta(6, 2, n) * 0.5 + 0.5
    weak = draw.random(n) < 0.62
    strong = draw.random(n) < np.where(weak, 0.93, 0.6)
    right = draw.random(n) < sure
    judge = np.where(right, weak, ~weak).astype(int)
    length = draw.lognormal(5, 0.5, n)
    judge = np.where((length > 200) & (draw.random(n) < 0.2), 1, judge)
    again = np.where(draw.random(n) < 0.9, judge, 1 - judge)
    return pd.DataFrame(
        {
            "judge": np.where(draw.random(n) < 0.04, 2, judge), "judge_2": again,
            "gold": weak.astype(int), "weak_correct": weak.astype(int),
            "strong_correct": strong.astype(int), "confidence": sure, "length": length,
            "weak_cost_usd": 1e-3 * draw.lognormal(0, 0.4, n),
            "strong_cost_usd": 1e-2 * draw.lognormal(0, 0.4, n), "judge_cost_usd": 1e-4,
            "weak_latency_s": draw.gamma(4, 0.1, n), "strong_latency_s": draw.gamma(4, 0.4, n),
            "judge_latency_s": 0.1, "task": np.where(draw.random(n) < 0.4, "t0", "t1"),
        }
    )  # fmt: skip


def tiers(draw: Draw, n: int) -> pd.DataFrame:
    """Three tiers; the judge is off by one more often than by two."""
    gold = draw.choice(3, n, p=[0.5, 0.3, 0.2])
    judge = np.clip(gold + draw.choice([-1, 0, 1], n, p=[0.1, 0.78, 0.12]), 0, 2)
    columns: dict[str, np.ndarray] = {"judge": judge, "gold": gold}
    for tier in range(3):
        columns[f"tier_{tier}_correct"] = draw.random(n) < np.where(tier >= gold, 0.94, 0.4)
        columns[f"tier_{tier}_cost_usd"] = 1e-3 * 5**tier * draw.lognormal(0, 0.3, n)
    return pd.DataFrame(columns)


def pairs(draw: Draw, n: int) -> pd.DataFrame:
    """The better of two answers in both orders, with a leaning to the first and the longer one."""
    gold = draw.choice(3, n, p=[0.42, 0.42, 0.16])
    lengths = draw.lognormal(4, 0.5, (2, n))
    longer = lengths.argmax(axis=0)

    def said(first: int) -> np.ndarray:
        luck, mind = draw.random(n), np.where(draw.random(n) < 0.1, longer, gold)
        return np.where(luck < 0.08, first, np.where(luck < 0.18, draw.integers(0, 3, n), mind))

    return pd.DataFrame(
        {
            "judge": said(0), "judge_swapped": said(1), "judge_2": said(0), "gold": gold,
            "length_a": lengths[0], "length_b": lengths[1],
        }
    )  # fmt: skip


def clustered(world: World) -> World:
    """The same in clusters of about three rows; of three clusters one repeats its first row."""

    def grouped(draw: Draw, n: int) -> pd.DataFrame:
        # Few clusters are known to be too few: judge-few-clusters says so.
        frame = world(draw, 2 * n)
        n = len(frame)
        own = np.sort(draw.integers(0, n // 3, n))
        first = np.searchsorted(own, own)
        copied = draw.random(n // 3)[own] < 0.3
        return frame.take(np.where(copied, first, np.arange(n))).assign(
            cluster=[f"c{code}" for code in own], index=np.arange(n)
        ).drop(columns="index").reset_index(drop=True)  # fmt: skip

    return grouped


def weighted(world: World) -> World:
    """The same with labels that are rarer where the judge is less sure."""

    def uneven(draw: Draw, n: int) -> pd.DataFrame:
        frame = world(draw, 2 * n)
        chance = np.where(frame["confidence"] < 0.85, 0.35, 0.75)
        known = draw.random(2 * n) < chance
        return frame.assign(propensity=chance, gold=np.where(known, frame["gold"], 2))

    return uneven


def half_labelled(draw: Draw, n: int) -> pd.DataFrame:
    """Few labels, so that the rest is seen through the judge."""
    frame = binary(draw, 3 * n)[["judge", "gold"]]
    return frame.assign(gold=np.where(draw.random(3 * n) < 0.35, frame["gold"], 2))


AS_TIERS = JudgeParameters().of("tiers", ("small", "medium", "large"))
AS_PAIRS = JudgeParameters().of("pairwise", ())
WORLDS: dict[str, tuple[World, JudgeParameters, frozenset[str]]] = {
    "binary": (binary, JudgeParameters(), BINARY | CURVE),
    "binary, clusters": (clustered(binary), JudgeParameters(), BINARY | CURVE),
    "binary, propensities": (
        weighted(binary), JudgeParameters(), BINARY - {"held_out_accuracy"},
    ),
    "tiers": (tiers, AS_TIERS, TIERS),
    "tiers, clusters": (clustered(tiers), AS_TIERS, TIERS),
    "pairs": (pairs, AS_PAIRS, PAIRS),
    "pairs, clusters": (clustered(pairs), AS_PAIRS, PAIRS),
    "part labelled": (half_labelled, JudgeParameters(), CORRECTED | RATES | ERRORS),
    "part labelled, clusters": (
        clustered(half_labelled), JudgeParameters(), CORRECTED | RATES | ERRORS,
    ),
}  # fmt: skip

NOT_WEIGHTED = frozenset(
    {
        "calibration_error", "brier", "brier_reliability", "brier_resolution",
        "brier_uncertainty", "risk_coverage_area", "risk_coverage_excess",
    }
)  # fmt: skip
"""Figures that say of themselves, with propensities, that they speak of the labelled rows."""


def intervals(report: Report) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Name, value and ends of everything that is printed with an interval."""
    for item in report.measures:
        if item.low is not None and item.value is not None:
            yield item.name, item.value, item.low, item.high
    for table in report.tables:
        names = [column.name for column in table.columns]
        if "low" not in names:
            continue
        at = names.index("low")
        for row in table.rows:
            # The middle stands before the ends.
            name, value, low, high = str(row[0]), row[at - 1], row[at], row[at + 1]
            label = table.name if table.name == "calibration" else f"{table.name}/{name}"
            if isinstance(value, float) and isinstance(low, float) and isinstance(high, float):
                yield label, value, low, high


def found(name: str, seed: int, n: int) -> Found:
    world, asked, _ = WORLDS[name]
    report = judge_eval(world(np.random.default_rng(seed), n), asked)
    return {what: (value, low, high) for what, value, low, high in intervals(report)}


@cache
def truths(name: str) -> dict[str, float]:
    return {what: value for what, (value, _, _) in found(name, 999_983, 60_000).items()}


def expected(name: str) -> frozenset[str]:
    return WORLDS[name][2]


@pytest.mark.parametrize("name", WORLDS)
def test_no_interval_is_printed_that_is_not_simulated(name: str) -> None:
    # The table of traffic qualities repeats four measures.
    shown = {what for what in found(name, 1, ROWS) if not what.startswith("traffic_quality/")}
    assert shown - set(ELSEWHERE) <= expected(name)
    assert expected(name) <= shown


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_intervals_cover_the_truth_as_often_as_they_say(name: str) -> None:
    truth, hits = truths(name), dict[str, int]()
    unweighted = NOT_WEIGHTED if "propensities" in name else frozenset[str]()
    counted = expected(name) - set(ELSEWHERE) - unweighted
    for seed in range(RUNS):
        for what, (_, low, high) in found(name, seed, ROWS).items():
            if what in counted and low is not None and high is not None:
                hits[what] = hits.get(what, 0) + (low <= truth[what] <= high)
    assert {what: n for what, n in sorted(hits.items()) if n < LEAST} == {}
    assert hits.keys() == counted


def scored(draw: Draw, n: int, shift: float) -> pd.DataFrame:
    gold = (draw.random(n) < 0.6 - shift).astype(int)
    score = np.clip(0.5 + (gold - 0.5) * (0.5 - shift) + 0.2 * draw.normal(size=n), 0, 1)
    return pd.DataFrame({"score": score, "gold": gold})


@pytest.mark.slow
@pytest.mark.parametrize("groups", [False, True])
def test_intervals_of_drift_cover(groups: bool) -> None:  # noqa: FBT001
    def logs(seed: int, n: int) -> Found:
        draw = np.random.default_rng(seed)
        worlds = [lambda d, k, s=s: scored(d, k, s) for s in (0.0, 0.1)]
        then, now = ((clustered(w) if groups else w)(draw, n) for w in worlds)
        report = judge_eval(now, earlier=then)
        return {what: (value, low, high) for what, value, low, high in intervals(report)}

    truth = {what: value for what, (value, _, _) in logs(999_983, 60_000).items()}
    hits = dict.fromkeys(DRIFT | {"held_out_accuracy"}, 0)
    for seed in range(RUNS):
        each = logs(seed, ROWS)
        for what in hits:
            _, low, high = each[what]
            assert low is not None
            assert high is not None
            hits[what] += low <= truth[what] <= high
    assert {what: n for what, n in hits.items() if n < LEAST} == {}
