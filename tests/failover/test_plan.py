"""The plan as a document: what it keeps, what it promises, and whether that still holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.figures import figures
from llmops_cli.failover.model import FailoverParameters, Pool
from llmops_cli.failover.plan import PlanDocument, plan_schema
from llmops_cli.failover.plan_check import check_plan, parameters_of
from llmops_cli.failover.plan_making import chosen_plan, digest_of, expected, plan_document
from llmops_cli.failover.plan_yaml import from_yaml, to_yaml
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.simulation import Simulation, simulate
from llmops_cli.failover.worth import Worth
from llmops_cli.failover.years import Estimate
from llmops_cli.report import Check, Measure, Report, Verdict

Log = Callable[..., Requests]

POOL = """
schema: llmops.failover/1
deployments:
  - {name: a, provider: x, model: m, quality: 0.9}
  - {name: b, provider: y, model: n, latency: {median_s: 1, p99_s: 4}, quality: {"": 0.8},
     requests_per_minute: 600, error_rate: 0.01}
  - {name: c, provider: z, model: k, latency_ratio: 2, region: eu}
policies:
  - {name: alone, deployments: [a], breaker: null}
  - {name: both, deployments: [a, b], timeout_s: 20, hedge_after: p95}
outages:
  - {provider: x, per_year: 300, median_minutes: 30, mean_minutes: 60, responds_s: null}
  - {provider: y, per_year: 200, median_minutes: 30, mean_minutes: 60, source: a record}
common_share: 0.1
"""
GIVEN = FailoverParameters(years=30, most_requests=2500)


def pool(text: str = POOL) -> Pool:
    return pool_from_yaml(text, pd.Timestamp("2026-01-05T10:00:00Z"), 3600.0, source="pool.yaml")


def priced(requests: Requests, *usd: float) -> Worth:
    each = np.tile(np.array(usd), (len(requests), 1))
    return Worth(each, each, None)


@pytest.fixture(scope="module")
def busy(log: Log) -> Requests:
    """Ten hours of a request a minute."""
    return log(np.random.default_rng(3).uniform(0.5, 3, 600), every_s=60.0)


def played(requests: Requests, known: Pool, given: FailoverParameters = GIVEN) -> Simulation:
    usd = [0.01, 0.02, 0.005][: len(known.members)]
    return simulate(requests, known, priced(requests, *usd), given)


def planned(found: Simulation, given: FailoverParameters = GIVEN) -> PlanDocument:
    return plan_document(found, tuple(figures(found, r) for r in found.results), given)


@pytest.fixture(scope="module")
def plan(busy: Requests) -> PlanDocument:
    return planned(played(busy, pool()))


def test_what_is_written_is_read_back_and_the_same_bytes_again(plan: PlanDocument) -> None:
    text = to_yaml(plan)
    again = from_yaml(text)
    assert again == plan
    assert to_yaml(again) == text
    Draft202012Validator(plan_schema()).validate(yaml.safe_load(text))


def test_the_plan_keeps_all_that_its_chain_was_simulated_with(plan: PlanDocument) -> None:
    known, back = pool(), from_yaml(to_yaml(plan)).pool()
    assert back.members == known.members[:2]
    assert back.outages == known.outages
    assert back.common == known.common
    assert [item.name for item in plan.plan.chain] == ["a", "b"]
    assert plan.policy.name == "both"


def test_a_quantile_becomes_the_seconds_that_a_client_waits(
    plan: PlanDocument, busy: Requests
) -> None:
    waits = plan.policy.hedge_after_s
    assert isinstance(waits, dict)
    assert set(waits) == {"a", "b"}
    assert waits["a"] == pytest.approx(np.quantile(busy.duration_s, 0.95))
    assert [item.deployment for item in plan.measured.hedges] == ["a", "b"]
    assert from_yaml(to_yaml(plan)).plan.policy.hedge_s(plan.plan.chain[0]) == waits["a"]


def test_the_best_chain_is_the_cheapest_in_money_within_the_gates(busy: Requests) -> None:
    """Not the cheapest over its own world without failures."""
    given = replace(GIVEN, search=True, most_requests=1500, min_availability=0.98)
    found = played(busy, pool(), given)
    known = tuple(figures(found, result) for result in found.results)
    chosen = chosen_plan(found, known, given)
    inside = [
        (own.usd_each, [found.pool.chain[p].name for p in result.line.places])
        for result, own in zip(found.results, known, strict=True)
        if own.availability.low >= 0.98 and result.line.policy.name != "alone"
    ]
    names = [item.name for item in chosen.chain]
    assert [usd for usd, chain in inside if chain == names] == [min(usd for usd, _ in inside)]
    # At half the price of a, and never down.
    assert names[0] == "c"
    assert planned(found, given).plan == chosen


def checked(
    plan: PlanDocument, requests: Requests, given: FailoverParameters | None = None
) -> Report:
    asked = parameters_of(plan, given or FailoverParameters())
    return check_plan(played(requests, plan.pool(), asked), plan, asked)


def test_on_its_own_log_a_plan_holds_and_the_report_says_so(
    busy: Requests, plan: PlanDocument
) -> None:
    found = checked(plan, busy)
    assert found.verdict is Verdict.PASS
    assert "failover-same-log" in {item.slug for item in found.findings}
    rows = {row[0]: row for row in found.tables[0].rows}
    assert rows["lost per million"][1] == pytest.approx(rows["lost per million"][3], rel=0.5)


def test_on_a_newer_log_of_the_same_kind_it_holds(plan: PlanDocument, log: Log) -> None:
    newer = log(np.random.default_rng(8).uniform(0.5, 3, 650), every_s=57.0)
    found = checked(plan, newer)
    assert found.verdict is Verdict.PASS
    assert "failover-same-log" not in {item.slug for item in found.findings}


def test_a_cascade_on_the_backup_breaks_the_promise(busy: Requests, log: Log) -> None:
    """Made at a request a minute, its limit does not carry five."""
    more = replace(GIVEN, most_requests=4000)
    text = POOL.replace("requests_per_minute: 600", "requests_per_minute: 2")
    text = text.replace("hedge_after: p95", "backoff: {attempts: 1}")
    once = pool(text.partition("  - {provider: y, per")[0])
    plan = planned(played(busy, once, more), more)
    found = checked(plan, log(np.full(300, 1.0), every_s=12.0))
    assert found.verdict is Verdict.FAIL
    assert found.checks[0].verdict is Verdict.FAIL


def test_answers_later_than_the_timeout_break_the_promise(busy: Requests, log: Log) -> None:
    alone = "\n  - {name: a, provider: x, model: m, error_rate: 0.01}\npolicies: [{timeout_s: 20}]"
    plan = planned(played(busy, pool(f"schema: llmops.failover/1\ndeployments:{alone}")))
    assert plan.foretold.of == "log"
    slow = np.where(np.arange(600) % 10 == 0, 25.0, 1.0)
    assert checked(plan, log(slow, every_s=60.0)).verdict is Verdict.FAIL
    assert checked(plan, busy).verdict is Verdict.PASS


def test_evidence_that_is_too_thin_does_not_decide(plan: PlanDocument, busy: Requests) -> None:
    said = plan.foretold.availability
    near = replace_expected(plan, said.value)
    assert checked(near, busy).verdict is Verdict.INCONCLUSIVE


def replace_expected(plan: PlanDocument, promised: float) -> PlanDocument:
    plain = yaml.safe_load(to_yaml(plan))
    plain["foretold"]["availability"]["promised"] = promised
    return from_yaml(yaml.safe_dump(plain))


def test_limits_of_the_plan_are_held_and_those_given_come_first(
    busy: Requests,
) -> None:
    given = replace(GIVEN, min_availability=0.9)
    plan = planned(played(busy, pool(), given), given)
    assert [item.bound for item in checked(plan, busy).checks][-1] == 0.9
    stricter = checked(plan, busy, FailoverParameters(min_availability=0.9999999))
    assert [item.bound for item in stricter.checks][-1] == 0.9999999
    assert stricter.verdict is not Verdict.PASS


def test_a_hedge_that_everybody_meets_now_is_said(plan: PlanDocument, log: Log) -> None:
    found = checked(plan, log(np.full(600, 3.5), every_s=60.0))
    assert "failover-hedge-moved" in {item.slug for item in found.findings}


@pytest.mark.parametrize("rising", [True, False])
def test_unchanged_traffic_keeps_a_promise_nineteen_times_in_twenty(*, rising: bool) -> None:
    draw = np.random.default_rng(11)
    half, times, passed = 1.645, 4000, 0
    for then, now in draw.standard_normal((times, 2)):
        said = expected(Estimate(5 + then, 5 + then - half, 5 + then + half), rising=rising)
        measure = Measure(name="m", value=5 + now, low=5 + now - half, high=5 + now + half)
        assert said.promised is not None
        held = Check.at_least if rising else Check.at_most
        passed += held("it", measure, said.promised).verdict is Verdict.PASS
    assert passed / times == pytest.approx(0.95, abs=0.012)


def test_a_figure_without_an_interval_promises_nothing() -> None:
    found = expected(Estimate(0.5, -np.inf, np.inf), rising=True, most=1.0)
    assert (found.low, found.high, found.promised) == (0.0, 1.0, None)


def test_a_plan_that_would_promise_nothing_is_not_written(busy: Requests) -> None:
    thin = replace(GIVEN, years=1, most_requests=1, seed=0)
    outage = "{provider: x, per_year: 1, median_minutes: 30, mean_minutes: 60}"
    text = POOL.partition("outages:")[0] + f"outages: [{outage}]"
    assert played(busy, pool(text), thin).played == (1, 1)
    with pytest.raises(LlmopsError) as caught:
        planned(played(busy, pool(text), thin), thin)
    assert (caught.value.slug, caught.value.exit_code) == (
        "failover-no-promise",
        ExitCode.INCONCLUSIVE,
    )
    gated = replace(thin, min_availability=0.5)
    assert planned(played(busy, pool(text), gated), gated).foretold.availability.promised is None


def test_incidents_with_a_date_are_no_promise(busy: Requests) -> None:
    dated = POOL.partition("outages:")[0] + (
        "incidents: [{provider: x, minutes: 9, start_hours: 0}]"
    )
    with pytest.raises(LlmopsError) as caught:
        planned(played(busy, pool(dated)))
    assert caught.value.slug == "failover-nothing-promised"


def test_the_digest_is_of_the_requests(busy: Requests) -> None:
    assert digest_of(busy) == digest_of(replace(busy, began=busy.began))
    other = busy.duration_s.copy()
    other[7] += 1e-6
    assert digest_of(replace(busy, duration_s=other)) != digest_of(busy)
    assert digest_of(replace(busy, began=busy.began + pd.Timedelta(1, "s"))) != digest_of(busy)


def changed(plan: PlanDocument, at: str, value: Any) -> str:  # noqa: ANN401 - YAML
    plain = yaml.safe_load(to_yaml(plan))
    *path, last = at.split(".")
    inner = plain
    for key in path:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    if isinstance(inner, list):
        inner[int(last)] = value
    else:
        inner[last] = value
    return yaml.safe_dump(plain)


@pytest.mark.parametrize(
    ("at", "value", "slug", "field"),
    [
        ("schema", "llmops.failover/1", "plan-schema-unknown", "schema"),
        ("odd", 1, "plan-invalid", ""),
        ("policy.timeout", 3, "failover-invalid", "policy"),
        ("policy.timeout_s", "soon", "plan-invalid", "policy.timeout_s"),
        ("policy.timeout_s", 1e9, "failover-invalid", "policy.timeout_s"),
        ("policy.hedge_after", "p95", "failover-invalid", "policy.hedge_after"),
        ("policy.deployments", ["a"], "failover-invalid", "policy.deployments"),
        ("policy.hedge_after_s", {"z": 1}, "failover-unknown-deployment", "policy.hedge_after_s"),
        ("policy.backoff.attempt", 3, "failover-invalid", "policy.backoff"),
        ("policy.breaker.cooldown", 3, "failover-invalid", "policy.breaker"),
        ("deployments", [], "plan-invalid", "deployments"),
        ("deployments.1.name", "a", "plan-invalid", "deployments[1].name"),
        ("deployments.1.error_rate", 2, "failover-invalid", "deployments[1].error_rate"),
        ("outages.0.per_year", -1, "failover-invalid", "outages[0].per_year"),
        ("outages", [], "plan-invalid", "foretold.of"),
        ("common_share", 2, "failover-invalid", "common_share"),
        ("measured.began", "yesterday", "plan-invalid", "measured.began"),
        ("measured.began", "2026-01-05T10:00:00", "plan-invalid", "measured.began"),
        ("measured.hours", 0, "plan-invalid", "measured.hours"),
        ("measured.hedges.0.deployment", "z", "plan-invalid", "measured.hedges[0].deployment"),
        ("measured.hedges.0.quantile", 1.0, "plan-invalid", "measured.hedges[0].quantile"),
        ("simulated.years", 0, "plan-invalid", "simulated"),
        ("limits.min_availability", 1.5, "plan-invalid", "limits.min_availability"),
        ("limits.max_cost_ratio", 0, "plan-invalid", "limits.max_cost_ratio"),
        (
            "foretold.availability.promised",
            None,
            "plan-invalid",
            "foretold.availability.promised",
        ),
        ("foretold.cost_ratio.high", float("inf"), "plan-invalid", "foretold.cost_ratio.high"),
    ],
)
def test_a_plan_that_a_hand_has_spoilt_is_refused_by_its_place(
    plan: PlanDocument,
    at: str,
    value: Any,  # noqa: ANN401 - YAML
    slug: str,
    field: str,
) -> None:
    with pytest.raises(LlmopsError) as caught:
        from_yaml(changed(plan, at, value), source="plan.yaml")
    assert (caught.value.slug, caught.value.field, caught.value.file) == (slug, field, "plan.yaml")
