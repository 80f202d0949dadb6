"""A logged judge: its rates, its cascade, and the part of both that rates do not tell."""

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.cascades import Ladder
from llmops_cli.tiers.logged_judge import LoggedJudge, logged_judge
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Estimate


def drawn(n: int, *, together: bool, seed: int = 0) -> Outcomes:
    """A judge right in 80 %; ``together``: its errors fall where the strong model fails too."""
    draw = np.random.default_rng(seed)
    weak, strong = draw.random(n) < 0.6, draw.random(n) < 0.8
    wrong = ~strong if together else draw.random(n) < 0.2
    verdict = np.where(wrong, ~weak, weak) * 1.0
    return Outcomes(
        ("weak", "strong"), np.column_stack([weak, strong]) * 1.0, np.tile([1.0, 10.0], (n, 1)),
        None, np.zeros(n, np.int64), ("all",), np.arange(n), scores=(("verdict", verdict),),
    )  # fmt: skip


def figure(found: LoggedJudge, name: str) -> Estimate:
    return {one.name: one for one in found.estimates}[name]


def test_figures_are_counted_row_by_row() -> None:
    given = drawn(300, together=False)
    found = logged_judge(given, Ladder((0, 1), judge_cost_usd=0.5), "verdict", resamples=100)
    weak, strong = given.quality.T
    yes = given.scores[0][1] == 1
    assert found.sensitivity[0] == pytest.approx(yes[weak == 1].mean())
    assert found.specificity[0] == pytest.approx((~yes)[weak == 0].mean())
    assert found.reached.tolist() == pytest.approx([1.0, (~yes).mean()])
    quality = np.where(yes, weak, strong).mean()
    cost = 1.5 + 10 * (~yes).mean()
    assert figure(found, "quality").value == pytest.approx(quality)
    assert figure(found, "cost_usd").value == pytest.approx(cost)
    assert figure(found, "quality_difference").value == pytest.approx(quality - strong.mean())
    assert figure(found, "times_cheaper").value == pytest.approx(10 / cost)


@pytest.mark.parametrize("together", [False, True])
def test_errors_that_go_with_the_strong_models_are_told_from_those_that_do_not(
    *, together: bool
) -> None:
    gap = figure(logged_judge(drawn(3000, together=together), Ladder((0, 1)), "verdict"),
                 "correlation_of_errors")  # fmt: skip
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high
    # Wrong keeps lose nothing where the strong model is wrong too; wrong rejections do.
    assert (gap.low <= 0 <= gap.high) == (not together)


def test_a_tier_without_a_wrong_answer_has_no_specificity() -> None:
    given = drawn(50, together=False)
    given.quality[:, 0] = 1.0
    found = logged_judge(given, Ladder((0, 1)), "verdict", resamples=50)
    assert np.isnan(found.specificity[0])
    assert np.isfinite(found.sensitivity[0])
    assert np.isfinite(figure(found, "correlation_of_errors").value)


def test_a_row_without_an_outcome_is_refused() -> None:
    given = drawn(50, together=False)
    given.cost_usd[7, 0] = np.nan
    with pytest.raises(LlmopsError, match="1 of 50"):
        logged_judge(given, Ladder((0, 1)), "verdict")
