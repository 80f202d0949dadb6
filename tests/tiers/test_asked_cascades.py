"""Cascades that are asked for: row by row by hand, on the rows that all their models answered."""

from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.asked_cascades import asked_cascades
from llmops_cli.tiers.cascade_tables import about_verdicts, cascade_tables
from llmops_cli.tiers.comparison import CompareParameters
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.outcomes import Outcomes

ASKED = CompareParameters(
    cascades=(("c", "a", "b"),), judge="verdict", judge_cost_usd=0.25, judge_latency_s=0.5
)


def drawn(n: int = 240) -> Outcomes:
    draw = np.random.default_rng(9)
    quality = (draw.random((n, 4)) < [0.7, 0.8, 0.6, 0.9]) * 1.0
    verdict = np.where(draw.random((n, 4)) < 0.85, quality, 1 - quality)
    return Outcomes(
        ("a", "b", "c", "d"), quality, draw.uniform(1, 9, (n, 4)), draw.uniform(1, 3, (n, 4)),
        np.zeros(n, np.int64), ("all",), np.arange(n) // 2, scores=(("verdict", verdict),),
    )  # fmt: skip


def by_hand(given: Outcomes, order: list[int]) -> tuple[float, float, float]:
    """Mean quality, cost and time: every model and verdict that a request touched is paid."""
    quality = cost = late = 0.0
    verdict = given.scores[0][1]
    assert given.latency_s is not None
    for row in range(len(given)):
        for at in order:
            cost += given.cost_usd[row, at]
            late += given.latency_s[row, at]
            if at == order[-1]:
                break
            cost, late = cost + 0.25, late + 0.5
            if verdict[row, at] >= 0.5:
                break
        quality += given.quality[row, at]
    return quality / len(given), cost / len(given), late / len(given)


def test_logged_verdicts_are_replayed_and_every_tier_is_paid() -> None:
    given = drawn()
    (found,) = asked_cascades(given, TierParameters(), ASKED)
    assert found.logged is not None
    values = [found.logged.estimate(name).value for name in ("quality", "cost_usd", "latency_s")]
    assert values == pytest.approx(by_hand(given, [2, 0, 1]))
    logged, tiers, assumed = cascade_tables((found,))
    assert dict(zip((c.name for c in logged.columns), logged.rows[0], strict=True))[
        "cost_usd_per_1000"
    ] == pytest.approx(1000 * values[1])
    assert [row[1] for row in tiers.rows] == ["c", "a", "b"]
    # The last answer is not judged.
    assert tiers.rows[-1][3:] == (None, None)
    assert len(assumed.rows) == len(found.points)


def test_only_rows_that_every_model_of_it_answered_count() -> None:
    given = drawn()
    given.quality[:100, 3] = np.nan  # a model that the cascade does not ask
    given.quality[200:, 0] = np.nan
    (found,) = asked_cascades(given, TierParameters(), ASKED)
    assert found.rows == 200
    assert found.logged is not None
    part = replace(
        given, quality=given.quality[:200], cost_usd=given.cost_usd[:200],
        latency_s=None if given.latency_s is None else given.latency_s[:200],
    )  # fmt: skip
    assert found.logged.estimate("cost_usd").value == pytest.approx(by_hand(part, [2, 0, 1])[1])


def test_models_that_never_met_are_no_cascade() -> None:
    given = drawn()
    given.quality[::2, 0], given.quality[1::2, 2] = np.nan, np.nan
    with pytest.raises(LlmopsError) as caught:
        list(asked_cascades(given, TierParameters(), ASKED))
    assert (caught.value.slug, caught.value.exit_code) == (
        "tiers-cascade-apart", ExitCode.INCONCLUSIVE,
    )  # fmt: skip


def test_without_latencies_and_without_a_judge_nothing_is_said_of_them() -> None:
    given = replace(drawn(), latency_s=None)
    (judged,) = asked_cascades(given, TierParameters(), ASKED)
    assert judged.logged is not None
    assert np.isnan(judged.logged.estimate("latency_s").value)
    (assumed,) = asked_cascades(given, TierParameters(), CompareParameters(cascades=(("c", "b"),)))
    assert assumed.logged is None
    assert [table.name for table in cascade_tables((assumed,))] == ["cascade_c_b"]
    assert not list(about_verdicts((assumed,)))


@pytest.mark.parametrize("together", [True, False])
def test_errors_that_go_with_those_of_later_models_are_told(*, together: bool) -> None:
    draw = np.random.default_rng(0)
    n = 2000
    weak, strong = draw.random(n) < 0.6, draw.random(n) < 0.8
    wrong = ~strong if together else draw.random(n) < 0.2
    verdict = np.where(wrong, ~weak, weak) * 1.0
    given = Outcomes(
        ("weak", "strong"), np.column_stack([weak, strong]) * 1.0, np.tile([1.0, 10.0], (n, 1)),
        None, np.zeros(n, np.int64), ("all",), np.arange(n), scores=(("verdict", verdict),),
    )  # fmt: skip
    asked = CompareParameters(cascades=(("weak", "strong"),), judge="verdict")
    found = tuple(asked_cascades(given, TierParameters(), asked))
    said = [item.slug for item in about_verdicts(found)]
    assert said == (["tiers-judge-correlated"] if together else [])
