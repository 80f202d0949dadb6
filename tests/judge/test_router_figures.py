"""APGR, CPT and the arena score of a log: the published figures, and intervals that cover."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.routing_curve import routing_curve
from llmops_cli.report import Measure
from llmops_cli.stats.quality_and_cost import quality_and_cost

ASKED = JudgeParameters(against="threshold")


def log(n: int, seed: int, *, copies: int = 1) -> pd.DataFrame:
    """Harder requests are wrong more often, and a score that knows half of it."""
    draw = np.random.default_rng(seed)
    hard = draw.random(n)
    frame = pd.DataFrame(
        {
            "weak_correct": (draw.random(n) > 0.8 * hard).astype(int),
            "strong_correct": (draw.random(n) > 0.3 * hard).astype(int),
            "score": np.clip(1 - 0.7 * hard + 0.2 * draw.normal(size=n), 0, 1).round(2),
            "weak_cost_usd": 0.001,
            "strong_cost_usd": 0.01 * draw.random(n),
            "cluster": np.arange(n),
        }
    )
    return frame.loc[frame.index.repeat(copies)].reset_index(drop=True)


def measures(frame: pd.DataFrame) -> dict[str, Measure]:
    return {item.name: item for item in judge_eval(frame, ASKED).measures}


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n=st.integers(60, 200))
def test_points_are_those_of_the_published_method(seed: int, n: int) -> None:
    frame = log(n, seed)
    if frame["weak_correct"].sum() >= frame["strong_correct"].sum():
        return
    found = measures(frame.drop(columns="cluster"))
    outcomes = (frame[f"{side}_correct"].to_numpy(float) for side in ("weak", "strong"))
    curve = routing_curve(-frame["score"].to_numpy(), *outcomes)
    assert found["apgr"].value == pytest.approx(curve.average_recovered)
    assert found["cpt_50"].value == pytest.approx(curve.call_threshold(0.5))
    assert found["cpt_80"].value == pytest.approx(curve.call_threshold(0.8))
    assert (found["apgr"].low or 0) <= curve.average_recovered <= (found["apgr"].high or 0)


def test_the_arena_score_is_that_of_following_the_judge() -> None:
    frame = log(500, 3)
    accepted = frame["score"] >= 0.5
    quality = np.where(accepted, frame["weak_correct"], frame["strong_correct"]).mean()
    usd = frame["weak_cost_usd"] + np.where(accepted, 0, frame["strong_cost_usd"])
    found = measures(frame)["arena_score"]
    assert found.value == pytest.approx(quality_and_cost(quality, 1000 * usd.mean()))
    assert (found.low or 1) < (found.value or 0) < (found.high or 0)


@pytest.mark.parametrize("name", ["apgr", "cpt_50", "arena_score"])
def test_copies_in_a_cluster_buy_no_confidence(name: str) -> None:
    once, often = (measures(log(400, 4, copies=c))[name] for c in (1, 6))
    widths = [(m.high or 0) - (m.low or 0) for m in (once, often)]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)


@pytest.mark.parametrize(
    "change",
    [
        {"strong_correct": 0},  # no gap to recover
        {"score": np.nan, "judge": 1},  # nothing to cut
    ],
)
def test_without_a_gap_or_a_score_there_is_no_curve(change: dict[str, float]) -> None:
    assert "apgr" not in measures(log(200, 5).assign(**change))


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 4])
def test_intervals_cover(copies: int) -> None:
    names = ("apgr", "cpt_50", "cpt_80", "arena_score")
    large = measures(log(200_000, 99).drop(columns="cluster"))
    truth = {name: large[name].value for name in names}
    runs, hits = 150, dict.fromkeys(names, 0)
    for seed in range(runs):
        found = measures(log(800, seed, copies=copies))
        for name in names:
            hits[name] += (found[name].low or 0) <= (truth[name] or 0) <= (found[name].high or 0)
    # 95 % intervals; 150 runs leave the rate uncertain by 1.8 points.
    assert min(hits.values()) / runs >= 0.905, hits
