"""The gates beyond the saving, and the invoice."""

from collections.abc import Callable

import numpy as np
import pytest

from llmops_cli.cache import CacheParameters, cache_estimate
from llmops_cli.cache.gates import (
    baseline_check,
    baseline_saving,
    hit_rate,
    hit_rate_check,
    unexplained_check,
)
from llmops_cli.cache.invoice import reconcile
from llmops_cli.calls import CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Measure, Report, Verdict

Build = Callable[..., CallsTable]


def share(value: float | None, low: float, high: float) -> Measure:
    return Measure(name="saving", value=value, low=low, high=high, level=0.9, n=50)


def test_the_hit_rate_is_a_ratio_of_sums_over_conversations() -> None:
    tokens = np.array([[100, 0, 900, 0, 5], [100, 900, 0, 0, 5], [1000, 0, 0, 0, 5]])
    found = hit_rate(tokens, np.array([0, 0, 1]))
    assert found.value == pytest.approx(900 / 3000)
    assert found.n == 2
    assert found.low is not None
    assert found.low <= 0.3 <= (found.high or 0)
    alone = hit_rate(tokens, np.zeros(3, np.int64))
    assert (alone.low, alone.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [(0.2, Verdict.PASS), (0.5, Verdict.FAIL), (0.33, Verdict.INCONCLUSIVE)],
)
def test_the_hit_rate_must_reach_its_bound(bound: float, verdict: Verdict) -> None:
    assert hit_rate_check(share(0.33, 0.3, 0.36), bound).verdict is verdict


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [(0.5, Verdict.PASS), (0.1, Verdict.FAIL), (0.33, Verdict.INCONCLUSIVE)],
)
def test_unexplained_misses_must_stay_below_their_bound(bound: float, verdict: Verdict) -> None:
    check = unexplained_check(share(0.33, 0.3, 0.36), bound)
    assert check.verdict is verdict
    assert ("not billed" in check.needed) == (verdict is Verdict.INCONCLUSIVE)


def test_a_log_that_promises_no_read_decides_nothing() -> None:
    check = unexplained_check(share(None, 0.0, 1.0), 0.1)
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "cache usage" in check.needed


@pytest.mark.parametrize(
    ("before", "verdict"),
    [(0.5, Verdict.PASS), (0.7, Verdict.FAIL), (0.56, Verdict.INCONCLUSIVE), (0.1, Verdict.PASS)],
)
def test_a_saving_may_fall_by_so_much_and_no_more(before: float, verdict: Verdict) -> None:
    check = baseline_check(share(0.5, 0.45, 0.55), before, 0.06)
    assert check.verdict is verdict
    assert check.measure.value == pytest.approx(before - 0.5)
    assert check.measure.low == pytest.approx(before - 0.55)


def test_the_saving_is_taken_from_an_earlier_report(log: Build) -> None:
    calls = log(*({"at": 60 * n, "blocks": [("system", 4000)]} for n in range(4)))
    report = cache_estimate(calls, CacheParameters())
    measured = next(item.value for item in report.measures if item.name == "saving")
    assert baseline_saving(report, "previous.json") == (measured, report.parameters["policy"])


def test_a_baseline_of_another_policy_is_said_to_be_one(log: Build) -> None:
    calls = log(*({"at": 60 * n, "blocks": [("system", 4000)]} for n in range(4)))
    same, other = (
        CacheParameters(
            policy="automatic-1h",
            baseline_saving=0.5,
            baseline_policy=judged,
            max_regression=0.1,
        )
        for judged in ("automatic-1h", "as-logged")
    )
    slugs = [[item.slug for item in cache_estimate(calls, each).findings] for each in (same, other)]
    assert ["cache-other-policy" in found for found in slugs] == [False, True]


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (Report(command="judge-eval", title="", headline=""), "a report of judge-eval"),
        (Report(command="cache-estimate", title="", headline=""), "holds no saving"),
        (
            Report(
                command="cache-estimate",
                title="",
                headline="",
                measures=(Measure(name="saving", value=None),),
            ),
            "holds no saving",
        ),
    ],
)
def test_another_report_is_no_baseline(report: Report, why: str) -> None:
    with pytest.raises(LlmopsError, match=why) as refusal:
        baseline_saving(report, "previous.json")
    assert (refusal.value.slug, refusal.value.file) == ("cache-bad-baseline", "previous.json")
    assert refusal.value.exit_code is ExitCode.USAGE


def test_an_invoice_is_explained_as_far_as_the_log_goes() -> None:
    more, less = reconcile(120.0, 90.0), reconcile(90.0, 120.0)
    assert (more.difference_usd, more.explained) == (30.0, 0.75)
    assert "not in the log" in more.hint
    assert less.difference_usd == -30.0
    assert "discount" in less.hint


@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invoice_is_an_amount(amount: float) -> None:
    with pytest.raises(LlmopsError) as refusal:
        reconcile(amount, 5.0)
    assert (refusal.value.slug, refusal.value.exit_code) == ("cache-bad-invoice", ExitCode.USAGE)
