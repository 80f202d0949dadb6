"""Margins that are ratios, of costs and of error rates: planned, decided, told and written."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import check_rollout, plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.prices import PriceBook
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.cost import costs_usd, least_for_skew
from llmops_cli.rollout.document import from_yaml, to_yaml
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.harm import harm_evidence
from llmops_cli.rollout.model import COST, ERRORS, Guardrail
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
from llmops_cli.rollout.observed_csv import read_sums
from llmops_cli.rollout.observed_log import sums_of_calls
from llmops_cli.rollout.sample import Risks, canary_needed
from llmops_cli.rollout.state import State, fingerprint

Make = Callable[..., pd.DataFrame]
MODEL = "claude-sonnet-4-6"


def priced(calls: Make, n: int = 4000, **columns: object) -> pd.DataFrame:
    draw = np.random.default_rng(2)
    tokens = np.exp(draw.normal(5, 0.8, n)).astype(int)
    given = {"request_model": [MODEL] * n, "provider_name": ["anthropic"] * n}
    given |= {"input_tokens": tokens, "output_tokens": tokens // 2 + 1}
    return calls(n, **(given | {"tokens_estimated": [False] * n} | columns))


def test_a_call_costs_what_the_price_book_says(calls: Make) -> None:
    table = priced(calls, 50)
    rates = PriceBook().rates(MODEL, date(2026, 9, 1), provider="anthropic")
    assert rates.input is not None
    assert rates.output is not None
    for usd, given_, made in zip(
        costs_usd(table), table["input_tokens"], table["output_tokens"], strict=True
    ):
        assert usd == pytest.approx((given_ * rates.input + made * rates.output) / 1e6)


def test_what_nobody_counted_costs_nobody_knows_what(calls: Make) -> None:
    n = 60
    table = priced(calls, n, tokens_estimated=[i < 10 for i in range(n)])
    assert np.isnan(costs_usd(table)).sum() == 10
    assert np.isnan(costs_usd(calls(n))).all()


@pytest.mark.parametrize(
    ("columns", "slug"),
    [
        ({"input_tokens": [None] * 4000, "output_tokens": [None] * 4000}, "rollout-no-cost"),
        ({"request_model": ["nobody-sells-this"] * 4000}, "price-unknown-model"),
    ],
)
def test_costs_that_cannot_be_known_are_refused(
    calls: Make, columns: dict[str, list[object]], slug: str
) -> None:
    with pytest.raises(LlmopsError) as caught:
        plan_rollout(priced(calls, **columns), RolloutParameters(cost_margin=1.2))
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.BAD_INPUT)
    assert "--cost-margin" in caught.value.hint
    assert draw_plan(priced(calls, **columns)).guardrails  # not asked, not refused


def cost_of(plan: Plan) -> Guardrail:
    return next(item for item in plan.guardrails if item.name == COST)


def test_users_whose_requests_cost_alike_stretch_the_plan(calls: Make) -> None:
    n, margin = 4000, RolloutParameters(cost_margin=1.2)
    whose = np.array([int(user[1:]) for user in calls(n)["user_id"]])
    alike = np.where(whose % 4 == 0, 400, 100)
    apart = np.random.default_rng(0).permutation(alike)
    effects = [
        cost_of(draw_plan(priced(calls, n, input_tokens=it, output_tokens=it), margin))
        for it in (alike, apart)
    ]
    assert effects[0].design_effect == pytest.approx(20, rel=0.2)
    assert effects[1].design_effect < 1.5
    assert effects[0].baseline == 1
    assert effects[0].unit_usd == pytest.approx(np.nanmean(costs_usd(
        priced(calls, n, input_tokens=alike, output_tokens=alike))))  # fmt: skip


def test_lopsided_costs_ask_for_more_requests() -> None:
    draw = np.random.default_rng(1)
    values = draw.exponential(1.0, 200_000)  # of skewness 2
    assert least_for_skew(values, 1.0) == pytest.approx(100, rel=0.1)
    assert least_for_skew(np.ones(100), 1.0) == 30


def test_an_error_ratio_is_a_margin_at_the_planned_level(calls: Make) -> None:
    plan = draw_plan(calls(), RolloutParameters(error_ratio=1.5))
    errors = next(item for item in plan.guardrails if item.name == ERRORS)
    assert errors.margin == pytest.approx(errors.baseline / 2)
    points = draw_plan(calls(), RolloutParameters(error_margin=errors.margin))
    # The control's own error counts 1.5 times, so the ratio needs more.
    for ratio, point in zip(plan.stages[:-1], points.stages[:-1], strict=True):
        needs = [
            next(d.canary_requests for d in stage.decisions if d.guardrail == ERRORS)
            for stage in (ratio, point)
        ]
        assert needs[0] >= needs[1]


@pytest.mark.parametrize(("errors", "code"), [(0, ExitCode.BAD_INPUT), (9, ExitCode.INCONCLUSIVE)])
def test_a_multiple_of_hardly_any_errors_is_refused(calls: Make, errors: int, code: int) -> None:
    table = calls(error_type=["timeout"] * errors + [None] * (4000 - errors))
    with pytest.raises(LlmopsError) as caught:
        draw_plan(table, RolloutParameters(error_ratio=2.0))
    assert (caught.value.slug, caught.value.exit_code) == ("rollout-few-errors", code)


@pytest.mark.parametrize(
    ("given_", "slug"),
    [
        ({"error_ratio": 1.0}, "rollout-bad-error-ratio"),
        ({"cost_margin": 0.8}, "rollout-bad-cost-margin"),
        ({"cost_margin": math.nan}, "rollout-bad-cost-margin"),
        ({"error_ratio": 2.0, "error_margin": 0.01}, "rollout-two-error-margins"),
    ],
)
def test_ratios_that_are_none(given_: dict[str, float], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        RolloutParameters(**given_)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


COSTLY = Guardrail(
    name=COST,
    metric="cost",
    baseline=1.0,
    margin=0.3,
    asked=1.3,
    variance=0.9,
    variance_at_margin=0.9 * 1.3**2,
    design_effect=1.0,
    ratio=1.3,
    unit_usd=0.01,
    least_requests=100,
)
FAILING = Guardrail(
    name=ERRORS,
    metric="error rate",
    baseline=0.05,
    margin=0.05,
    asked=0.05,
    variance=0.0475,
    variance_at_margin=0.09,
    design_effect=1.0,
    ratio=2.0,
)
RISKS = Risks(promote=0.05, roll_back=0.05, hold=0.2, miss=0.2)


def drawn(guardrail: Guardrail, n: int, level: float, looks: int, seed: int) -> Sample:
    """Two thousand arms of n requests: errors, or lognormal costs of the planned variance."""
    draw, runs = np.random.default_rng(seed), 2000
    each = np.full((runs, looks), max(1, n // looks))
    if guardrail.name == ERRORS:
        bad = draw.binomial(each, min(1.0, guardrail.baseline * level)).astype(float)
        return Sample(each.astype(float), bad, bad).running()
    sigma = math.sqrt(math.log1p(guardrail.variance))
    total, squares = np.empty((runs, looks)), np.empty((runs, looks))
    for look in range(looks):
        # Sums of many lognormals, drawn one by one: their skewness is what is on trial.
        values = level * np.exp(draw.normal(-(sigma**2) / 2, sigma, (runs, each[0, look])))
        total[:, look], squares[:, look] = values.sum(axis=1), (values**2).sum(axis=1)
    return Sample(each.astype(float), total, squares).running()


@pytest.mark.slow
@pytest.mark.parametrize("guardrail", [COSTLY, FAILING], ids=lambda item: item.name)
@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_risks_hold_for_ratios(guardrail: Guardrail, ratio: float) -> None:
    n = canary_needed(guardrail, ratio, RISKS)
    control = drawn(guardrail, round(n * ratio), 1.0, 10, 1)
    harmless = Arms(drawn(guardrail, n, 1.0, 10, 2), control)
    harmful = Arms(drawn(guardrail, n, guardrail.ratio or 1.0, 10, 3), control)
    planned = harmless.information[:1, -1]
    needed = 1.6449
    # Going on with a change that harms by the margin; three standard errors of 2,000 runs.
    went_on = (harmful.room(guardrail)[:, -1] >= needed).mean()
    assert went_on <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    # A harmless change passes, and does not go back at any of ten looks.
    assert (harmless.room(guardrail)[:, -1] >= needed).mean() >= 0.8 - 0.03
    back = harm_evidence(harmless, guardrail, planned, "mixture", 0.05) >= 1
    assert back.any(axis=1).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    seen = harm_evidence(harmful, guardrail, planned, "mixture", 0.05) >= 1
    assert seen.any(axis=1).mean() >= 0.8 - 0.03


@settings(max_examples=200)
@given(
    means=st.tuples(st.floats(0.01, 5), st.floats(0.01, 5)),
    sizes=st.tuples(st.integers(2, 10**6), st.integers(2, 10**6)),
    spread=st.floats(0.01, 9),
    needed=st.floats(0.5, 4),
)
def test_the_most_it_may_be_lies_below_the_margin_where_the_room_is_enough(
    means: tuple[float, float], sizes: tuple[int, int], spread: float, needed: float
) -> None:
    def arm(mean: float, n: int) -> Sample:
        return Sample(*(np.array([v]) for v in (float(n), n * mean, n * (mean**2 + spread))))

    arms = Arms(arm(means[0], sizes[0]), arm(means[1], sizes[1]))
    for guardrail in (COSTLY, replace(COSTLY, ratio=None)):
        _, high, margin = arms.told(guardrail, needed)
        room = float(arms.room(guardrail)[0])
        if abs(room - needed) > 1e-6:
            assert (float(high[0]) < margin) is (room > needed)


@pytest.fixture(scope="module")
def plan(calls: Make) -> Plan:
    table = priced(calls, user_id=[f"u{i}" for i in range(4000)], evaluation_score=[None] * 4000)
    asked = RolloutParameters(latency_margin=1.5, error_ratio=3.0, cost_margin=1.3)
    return draw_plan(table, asked)


def seen(plan: Plan, worse: dict[str, float], level: float = 1.0) -> Observed:
    """A stage of four windows; ``worse`` multiplies the canary's, ``level`` both versions'."""
    stage, cells = plan.stages[0], dict[Cell, Sums]()
    for hour in range(4):
        window = f"2026-09-01T{hour:02d}:00:00+00:00"
        for variant, n in ((CANARY, stage.canary_requests), (CONTROL, 19 * stage.canary_requests)):
            for item in plan.guardrails:
                share = item.bad_share * (worse.get(item.name, 1.0) if variant == CANARY else 1.0)
                share *= level if item.ratio is not None else 1.0
                each = -(-n // 4) * item.coverage
                squares = share if item.bounded else share**2 + item.variance
                cells[window, variant, item.name] = Sums(each, each * share, each * squares)
    return Observed(cells)


@pytest.mark.parametrize(
    ("worse", "level", "said"),
    [
        ({}, 1.0, "PROMOTE"),
        ({COST: 1.6}, 1.0, "ROLLBACK: cost is worse"),
        ({ERRORS: 6.0}, 1.0, "ROLLBACK: errors is worse"),
        # Both versions dearer, or failing more: no harm of the new one.
        ({}, 1.5, "PROMOTE"),
        # Above the margin in points of the old level, below it as a ratio: not shown worse.
        ({COST: 1.02}, 1.5, "PROMOTE"),
    ],
)
def test_ratios_decide(plan: Plan, worse: dict[str, float], level: float, said: str) -> None:
    report, _ = check_rollout(plan, State(fingerprint(plan)), 5, seen(plan, worse, level))
    assert report.headline.startswith(said)
    cost = next(item for item in report.measures if item.name == "cost_harm")
    assert cost.value == pytest.approx(worse.get(COST, 1.0) - 1, abs=1e-9)


def test_costs_come_as_dollars_in_sums(plan: Plan) -> None:
    unit = cost_of(plan).unit_usd or 0.0
    text = [
        "window,variant,metric,requests,total,squares",
        f"2026-09-01T00:00,canary,cost,10,{30 * unit},{100 * unit**2}",
        f"2026-09-01T00:00,control,cost,10,{20 * unit},",
    ]
    cells = read_sums(text, plan, source="sums.csv").cells
    window = "2026-09-01T00:00:00+00:00"
    known = cells[window, CANARY, COST]
    assert (known.n, known.total, known.squares) == pytest.approx((10, 30, 100))
    assert cells[window, CONTROL, COST].squares == pytest.approx(40 + 10 * cost_of(plan).variance)


def test_costs_of_a_log_are_those_of_its_calls(plan: Plan, calls: Make) -> None:
    n = 1000
    table = priced(calls, n, agent_name=["new" if i % 4 == 0 else "old" for i in range(n)])
    found = sums_of_calls(table, plan, ("agent_name", "new"))
    usd = costs_usd(table)
    told = sum(s.total for c, s in found.cells.items() if c[1:] == (CANARY, COST))
    assert told * (cost_of(plan).unit_usd or 0) == pytest.approx(usd[::4].sum())


def test_a_plan_of_ratios_survives_its_document(plan: Plan) -> None:
    assert from_yaml(to_yaml(plan)) == plan


def test_a_document_of_before_ratios_is_still_a_plan(calls: Make) -> None:
    plan = draw_plan(calls())
    document = yaml.safe_load(to_yaml(plan))
    for item in document["guardrails"]:
        for name in ("ratio", "unit_usd", "least_requests"):
            del item[name]
    assert from_yaml(yaml.safe_dump(document)) == plan
