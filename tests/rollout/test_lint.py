"""Manifests of Argo and Flagger: what is read of them, and their odds on a log."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict
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
    assert found.rules == (ErrorRule("error-rate", 0.03, 3600.0, 1, empty_fails=False),)


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
    assert found.rules == (ErrorRule("error-rate", 0.03, 600.0, 5, empty_fails=True),)
    assert found.left_out == ("metric 'error-rate' looks back 60 s; taken as 600 s",)
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


def test_more_strikes_and_a_higher_bound_roll_back_less(calls: Make) -> None:
    table, given = calls(), LintParameters(runs=200, error_rise=0.03)

    def odds(**metric: Any) -> float:  # noqa: ANN401 - any YAML value
        return value(lint(read(argo(*STEPS, **metric)), table, given), "false_rollback")

    usual = odds()
    assert usual > 0.3
    assert odds(failureLimit=3) < usual
    assert odds(successCondition="result[0] <= 0.3") < usual


def test_a_log_with_quiet_windows_trips_flagger_and_not_argo(calls: Make) -> None:
    # Two requests an hour: most windows of the new version are empty.
    table, given = calls(48, error_type=[None] * 48), LintParameters(runs=50)
    steps = weight(5, 10)
    assert value(lint(read(argo(*steps)), table, given), "false_rollback") == 0.0
    quiet = flagger(interval="1h", threshold=1, stepWeights=[5])
    assert value(lint(read(quiet), table, given), "false_rollback") > 0.5


def test_the_gate_and_what_was_left_out(calls: Make) -> None:
    text = argo(*STEPS) + "---\n" + argo(name="p95").split("---\n")[1]
    report = lint(read(text), calls(), LintParameters(runs=100, max_false_rollback=0.05))
    assert report.verdict is Verdict.FAIL
    assert {item.slug for item in report.findings} == {"manifest-left-out", "manifest-few-requests"}


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
