"""Reports as data: gates decide on the right side, folds fold, tables are not ragged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.report import Check, Column, Measure, Table, Verdict, fold

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def measure(value: float | None, low: float | None = None, high: float | None = None) -> Measure:
    return Measure(name="m", value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("value", "low", "high", "strict", "verdict", "on"),
    [
        (0.9, 0.85, 0.95, False, PASS, "low"),
        (0.9, 0.80, 0.95, False, PASS, "low"),
        (0.9, 0.80, 0.95, True, OPEN, "low"),
        (0.9, 0.75, 0.95, False, OPEN, "low"),
        (0.7, 0.65, 0.79, False, FAIL, "high"),
        (0.7, 0.65, 0.80, False, OPEN, "low"),
        (0.7, 0.65, 0.80, True, FAIL, "high"),
        (0.9, None, None, False, PASS, "value"),
        (0.8, None, None, True, FAIL, "value"),
        (0.7, None, None, False, FAIL, "value"),
        (None, None, None, False, OPEN, "value"),
        (math.nan, None, None, False, OPEN, "value"),
        (0.9, 0.85, None, False, PASS, "low"),
        (0.9, 0.75, None, False, OPEN, "low"),
        (0.7, None, 0.75, False, FAIL, "high"),
    ],
)
def test_at_least_decides_on_the_interval(
    value: float | None, low: float | None, high: float | None, *, strict: bool,
    verdict: Verdict, on: str,
) -> None:  # fmt: skip
    check = Check.at_least("c", measure(value, low, high), 0.8, strict=strict, needed="more")
    assert (check.verdict, check.on) == (verdict, on)
    assert check.needed == ("more" if verdict is OPEN else "")


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3), st.floats(-9, 9), st.booleans())
def test_at_most_is_the_mirror_of_at_least(
    value: float,
    below: float,
    above: float,
    bound: float,
    strict: bool,  # noqa: FBT001
) -> None:
    one = Check.at_least("c", measure(value, value - below, value + above), bound, strict=strict)
    mirrored = measure(-value, -value - above, -value + below)
    assert Check.at_most("c", mirrored, -bound, strict=strict).verdict is one.verdict


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3), st.floats(-9, 9))
def test_a_pass_means_the_whole_interval_and_a_fail_none_of_it(
    value: float, below: float, above: float, bound: float
) -> None:
    low, high = value - below, value + above
    verdict = Check.at_least("c", measure(value, low, high), bound).verdict
    assert verdict is (PASS if low >= bound else FAIL if high < bound else OPEN)


@pytest.mark.parametrize("bound", [math.nan, math.inf])
def test_no_gate_without_a_number(bound: float) -> None:
    with pytest.raises(LlmopsError) as caught:
        Check.at_least("c", measure(1.0), bound)
    assert (caught.value.slug, caught.value.exit_code) == ("gate-not-a-number", 2)


@pytest.mark.parametrize(
    ("verdicts", "folded"),
    [
        ([], PASS),
        ([PASS, PASS], PASS),
        ([PASS, OPEN], OPEN),
        ([OPEN, FAIL], FAIL),
        ([FAIL, PASS], FAIL),
    ],
)
def test_fold(verdicts: list[Verdict], folded: Verdict) -> None:
    values = {PASS: 1.0, FAIL: 0.0, OPEN: None}
    checks = [Check.at_least("c", measure(values[item]), 0.5) for item in verdicts]
    assert fold(checks) is folded


def test_ragged_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table(name="t", title="t", columns=(Column(name="a", label="a"),), rows=((1, 2),))
