"""Answers of Prometheus that would mislead, and those that only look as if they would."""

import json
from collections.abc import Callable
from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout import Plan, draw_plan
from llmops_cli.rollout.observed import CANARY, CONTROL, Sums
from llmops_cli.rollout.observed_prometheus import read_query

AT = 1788249600
WINDOW = "2026-09-01T08:00:00+00:00"


@pytest.fixture(scope="module")
def plan(calls: Callable[..., pd.DataFrame]) -> Plan:
    """A plan that guards quality, latency and errors."""
    return draw_plan(calls(8000))


def series(
    variant: str, metric: str, field: str, *values: object, at: float = AT, **more: str
) -> dict[str, object]:
    labels = {"variant": variant, "metric": metric, "field": field, **more}
    return {"metric": labels, "values": [[at + 3600 * i, v] for i, v in enumerate(values)]}


def answer(*result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def test_errors_that_never_came_are_none_where_the_other_version_counts_them(plan: Plan) -> None:
    seen = read_query(
        answer(
            series("canary", "errors", "requests", "100"),
            series("control", "errors", "requests", "900"),
            series("control", "errors", "total", "9"),
        ),
        plan,
        source="q",
    )
    assert seen.cells == {
        (WINDOW, CANARY, "errors"): Sums(100),
        (WINDOW, CONTROL, "errors"): Sums(900, 9, 9),
    }


def test_a_window_without_scores_is_no_window_of_bad_ones(plan: Plan) -> None:
    seen = read_query(
        answer(
            series("canary", "quality", "requests", "100", "100"),
            series("canary", "quality", "total", "90"),
        ),
        plan,
        source="q",
    )
    assert [cell[0] for cell in seen.cells] == [WINDOW]


def test_extrapolation_may_count_a_part_of_an_error_too_many(plan: Plan) -> None:
    both = (("requests", "100.2"), ("total", "100.3"))
    text = answer(*(series("canary", "errors", field, value) for field, value in both))
    sums = read_query(text, plan, source="q").cells[WINDOW, CANARY, "errors"]
    assert (sums.n, sums.total) == (100.2, 100.2)


ERRORS = series("canary", "errors", "requests", "5")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        (answer(ERRORS), "prometheus-no-total"),
        (
            answer(
                series("canary", "quality", "requests", "5"),
                series("control", "quality", "total", "5"),
            ),
            "prometheus-no-total",
        ),
        (answer(series("canary", "errors", "count", "5")), "prometheus-unknown-field"),
        (answer(ERRORS, series("canary", "errors", "requests", "7", pod="b")), "not-summed"),
        (answer(series("canary", "errors", "requests", "5", "5", at=AT + 7)), "unaligned"),
        (answer(series("canary", "errors", "requests", "many")), "prometheus-not-an-answer"),
        (answer(series("canary", "errors", "requests", None)), "prometheus-not-an-answer"),
        (answer(series("canary", "errors", "requests", "5", at=1e30)), "prometheus-not-an-answer"),
        (answer(series("canary", "errors", "requests", "+Inf")), "sums-bad-row"),
        (answer(series("canary", "errors", "requests", "-5"), ERRORS), "not-summed"),
        (answer(1), "prometheus-not-an-answer"),
        ('{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}', "not-an"),
        ('{"status": "success"}', "prometheus-failed"),
    ],
)
def test_answers_that_would_mislead_are_refused(plan: Plan, text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read_query(text, plan, source="q")
    assert slug in caught.value.slug
    assert caught.value.file == "q"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "data", "result", "metric", "values", "value", "field"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(result=st.lists(ANYTHING, max_size=3), whole=ANYTHING)
def test_no_answer_is_a_crash(plan: Plan, result: list[object], whole: object) -> None:
    for text in (answer(*result), json.dumps(whole)):
        with suppress(LlmopsError):
            read_query(text, plan, source="q")
