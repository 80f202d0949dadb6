"""Manifests of Argo and Flagger: what is read of them, and their odds on a log."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.report import Report, Table, Verdict
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.lint import LintParameters, lint
from llmops_cli.rollout.manifest import ErrorRule, Manifest, read_manifest

Make = Callable[..., pd.DataFrame]


def argo(*steps: dict[str, Any], **metric: Any) -> str:  # noqa: ANN401 - any YAML value
    """A Rollout and its AnalysisTemplate with one metric."""
    rollout = {"kind": "Rollout", "spec": {"strategy": {"canary": {"steps": list(steps)}}}}
    given = {"name": "error-rate", "interval": "1h", "successCondition": "result[0] <= 0.03"}
    template = {"kind": "AnalysisTemplate", "spec": {"metrics": [{**given, **metric}]}}
    return yaml.safe_dump_all([rollout, template])


def weight(percent: int, hours: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    pause = {} if hours is None else {"duration": f"{hours}h"}
    return {"setWeight": percent}, {"pause": pause}


STEPS = (*weight(5, 5), *weight(10, 5), *weight(25, 5), *weight(50, 9))


def flagger(**analysis: Any) -> str:  # noqa: ANN401 - any YAML value
    """A Canary with one metric."""
    metric = {"name": "error-rate", "interval": "1m", "thresholdRange": {"max": 3}}
    given = {"interval": "10m", "threshold": 5, "stepWeights": [5, 50], "metrics": [metric]}
    return yaml.safe_dump({"kind": "Canary", "spec": {"analysis": {**given, **analysis}}})


def read(text: str) -> Manifest:
    return read_manifest(text, source="rollout.yaml")


def test_an_argo_rollout_and_its_defaults() -> None:
    found = read(argo(*weight(5, 2), *weight(50), {"setWeight": 100}))
    assert found.controller == "Argo Rollouts"
    # A pause without an end waits for a person: an hour is taken.
    assert found.steps == ((0.05, 7200.0), (0.5, 3600.0))
    rule = ErrorRule("error-rate", 0.03, 3600.0, 1, empty_fails=False, empty_ends=True)
    assert found.rules == (rule,)


@pytest.mark.parametrize(
    ("metric", "bound", "strikes"),
    [
        ({"failureLimit": 3}, 0.03, 4),
        ({"failureLimit": -1}, 0.03, 2**31),
        ({"successCondition": None, "failureCondition": "result[0] > 0.05"}, 0.05, 1),
        ({"name": "success-rate", "successCondition": "result[0] >= 0.95"}, 0.05, 1),
        ({"name": "success", "successCondition": "len(result) == 0 && result >= 99"}, 0.01, 1),
    ],
)
def test_conditions_become_bounds(metric: dict[str, Any], bound: float, strikes: int) -> None:
    rule = read(argo(*STEPS, **metric)).rules[0]
    assert (rule.bound, rule.strikes) == (pytest.approx(bound), strikes)


def test_a_flagger_canary() -> None:
    found = read(flagger())
    assert found.steps == ((0.05, 600.0), (0.5, 600.0))
    rule = ErrorRule("error-rate", 0.03, 600.0, 5, empty_fails=True, window_s=60.0)
    assert found.rules == (rule,)
    assert found.left_out == ()
    builtin = {"name": "request-success-rate", "interval": "10m", "thresholdRange": {"min": 99}}
    slow = {"name": "request-duration", "interval": "10m", "thresholdRange": {"max": 500}}
    stepped = read(flagger(stepWeights=None, stepWeight=20, maxWeight=60, metrics=[builtin, slow]))
    assert [share for share, _ in stepped.steps] == [0.2, 0.4, 0.6]
    assert stepped.rules[0].bound == pytest.approx(0.01)
    assert stepped.left_out == ("metric 'request-duration' is no rate of errors",)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("a: [", "manifest-not-yaml"),
        ("kind: Service", "manifest-unknown"),
        ("", "manifest-unknown"),
        (argo({"setWeight": 100}), "manifest-no-steps"),
        (argo(*STEPS, name="p95"), "manifest-no-errors"),
        (argo(*STEPS, successCondition="isNaN(result)"), "manifest-no-errors"),
        (flagger(metrics=[]), "manifest-no-errors"),
    ],
)
def test_what_cannot_be_read(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(text)
    assert (caught.value.slug, caught.value.file) == (slug, "rollout.yaml")


def value(report: Report, name: str) -> float:
    return next(item.value or 0.0 for item in report.measures if item.name == name)


def table_of(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


def test_more_strikes_and_a_higher_bound_roll_back_less(calls: Make) -> None:
    table, given = calls(), LintParameters(runs=200, error_rise=0.03)

    def odds(**metric: Any) -> float:  # noqa: ANN401 - any YAML value
        return value(lint(read(argo(*STEPS, **metric)), table, given), "false_rollback")

    usual = odds()
    assert usual > 0.3
    assert odds(failureLimit=3) < usual
    assert odds(successCondition="result[0] <= 0.3") < usual


@pytest.mark.slow
def test_quiet_windows_go_back_unless_the_query_says_what_stands_for_them(calls: Make) -> None:
    # Two requests an hour: most windows of the new version are empty.
    table, given = calls(48, error_type=[None] * 48), LintParameters(runs=50)
    steps = weight(5, 10)
    guarded = "len(result) == 0 || result[0] <= 0.03"
    for text, expected in (
        (argo(*steps, successCondition=guarded), 0.0),
        (argo(*steps), 1.0),  # an error, again and again until there are too many
        (argo(*steps, failureLimit=3), 1.0),
        (argo(*steps, consecutiveErrorLimit=1000), 0.0),
        (flagger(interval="1h", threshold=1, stepWeights=[5]), 1.0),
    ):
        report = lint(read(text), table, given)
        assert value(report, "false_rollback") == pytest.approx(expected, abs=0.4)


def test_the_gate_and_what_was_left_out(calls: Make) -> None:
    text = argo(*STEPS) + "---\n" + argo(name="p95").split("---\n")[1]
    report = lint(read(text), calls(), LintParameters(runs=100, max_false_rollback=0.05))
    assert report.verdict is Verdict.FAIL
    found = [item.slug for item in report.findings]
    assert sorted(found) == [
        "manifest-few-requests",
        "manifest-left-out",
        "manifest-unguarded",
        "manifest-unguarded",
    ]


def test_what_it_has_no_rule_for_it_misses(calls: Make) -> None:
    given = LintParameters(runs=150, error_rise=0.1)
    report = lint(read(argo(*STEPS, successCondition="result[0] <= 0.1")), calls(), given)
    rows = {str(row[0]): float(row[1] or 0) for row in table_of(report, "changes").rows}
    assert rows["errors +0.1"] > 0.9
    for missed in ("score -0.02", "latency x1.1"):
        assert rows[missed] == pytest.approx(rows["no change"], abs=0.1)


def test_a_check_between_both_conditions_pauses(calls: Make) -> None:
    given = LintParameters(runs=100, error_rise=0.04)
    conditions = {"successCondition": "result[0] < 0.0001", "failureCondition": "result[0] > 0.9"}
    report = lint(read(argo(*weight(50, 5), interval="5h", **conditions)), calls(), given)
    assert [row[1:4] for row in table_of(report, "changes").rows[:2]] == [(0, 1, 0), (0, 1, 0)]


def exported(name: str, calls: pd.DataFrame, steps_h: float = 1.0) -> tuple[Plan, Report]:
    """The report on a plan's own manifest."""
    plan = draw_plan(calls, RolloutParameters(error_margin=0.02, latency_margin=1.3))
    text = ROLLOUT_EXPORTS[name](plan).text
    known = read_manifest(text, source=name, waits_s=3600 * steps_h)
    return plan, lint(known, calls, LintParameters(runs=300, error_rise=0.02))


@pytest.mark.slow
def test_the_manifest_of_a_plan_keeps_its_promises_on_the_log(calls: Make) -> None:
    """Argo: a harmless change seldom goes back and mostly passes; a harm of the margin does not."""
    n = 8000
    table = calls(n, user_id=[f"u{i}" for i in np.random.default_rng(5).integers(0, 4000, n)])
    plan, report = exported("argo", table)
    assert value(report, "false_rollback") <= plan.alpha
    # Its windows hold an eighth of what the stage needs.
    assert "manifest-few-requests" not in {item.slug for item in report.findings}
    needed = plan.stages[0].canary_requests
    assert table_of(report, "steps").rows[0][2] == pytest.approx(1.1 * needed / 8, rel=0.1)
    rows = {str(row[0]): row for row in table_of(report, "changes").rows}
    # Every stage but the last, which it cannot see here.
    assert float(rows["no change"][3] or 0) >= plan.power
    for change in ("errors +0.02", "score -0.02"):
        back, paused, done = (float(share or 0) for share in rows[change][1:4])
        assert back >= plan.power - 0.1
        assert done <= plan.alpha
        assert back + paused + done == pytest.approx(1)


@pytest.mark.slow
def test_the_net_under_flaggers_gates_catches_disasters_only(calls: Make) -> None:
    n = 8000
    table = calls(n, user_id=[f"u{i}" for i in np.random.default_rng(5).integers(0, 4000, n)])
    _, report = exported("flagger", table, steps_h=24)
    assert value(report, "false_rollback") <= 0.02
    assert value(report, "detection") <= 0.1
    assert any("gates" in item.message for item in report.findings)


def test_a_log_that_carries_nothing_of_the_rules_is_refused(calls: Make) -> None:
    bare = calls(evaluation_score=[None] * 4000)
    quality = flagger(metrics=[{"name": "harm-quality", "thresholdRange": {"max": 0.1}}])
    with pytest.raises(LlmopsError) as caught:
        lint(read(quality), bare, LintParameters(runs=5))
    assert caught.value.slug == "rollout-not-in-log"


def test_a_rise_that_is_none_is_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        LintParameters(error_rise=0.0)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "false", "seen"),
    [(0, 0.814, 1.0), (4, 0.016, 0.989)],  # five failed windows are Flagger's threshold of 5
)
def test_the_usual_manifests_have_the_odds_of_the_table(
    calls: Make, limit: int, false: float, seen: float
) -> None:
    # 2,000 requests an hour, 2 % errors in each; see claims/test_rollout_false_rollbacks.py.
    n, draw = 48_000, np.random.default_rng(4)
    failed = np.concatenate([draw.permutation(2000) < 40 for _ in range(24)])
    table = calls(
        n,
        user_id=[f"u{i % 1000}" for i in range(n)],
        error_type=np.where(failed, "timeout", None),
    )
    report = lint(read(argo(*STEPS, failureLimit=limit)), table, LintParameters(runs=4000))
    assert value(report, "false_rollback") == pytest.approx(false, abs=0.03)
    assert value(report, "detection") == pytest.approx(seen, abs=0.02)
