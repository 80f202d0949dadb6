"""The failover file: what it may hold, and every mistake by name and place."""

import pandas as pd
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.model import Pool
from llmops_cli.failover.published import published_outages

BEGAN = pd.Timestamp("2026-01-05T10:00:00Z")
DEPLOYMENTS = """
  - {name: a, provider: anthropic, model: claude-sonnet-4-5, quality: 0.9}
  - {name: b, provider: openai, model: gpt-4.1, latency: {median_s: 1, p99_s: 4},
     quality: {chat: 0.8, "": 0.7}, requests_per_minute: 60, error_rate: 0.01}
"""


def read(rest: str = "", deployments: str = DEPLOYMENTS) -> Pool:
    text = f"schema: llmops.failover/1\ndeployments:{deployments}\n{rest}"
    return pool_from_yaml(text, BEGAN, 7200.0, source="pool.yaml")


def test_a_full_file_is_read() -> None:
    pool = read(
        """
policies:
  - {name: alone, deployments: [b], breaker: null, backoff: {attempts: 2}}
  - {name: both, breaker: {allowed_failures: 1, cooldown_s: 10}, hedge_after_s: 3}
incidents:
  - {start: 2026-01-05T10:30:00Z, minutes: 5, provider: anthropic, error: overloaded}
  - {start_hours: 1, minutes: 5, provider: openai, form: brownout, share: 0.4, responds_s: null}
outages:
  - {provider: openai, per_year: 29, median_minutes: 78, mean_minutes: 130}
common_share: 0.05
"""
    )
    assert [line.places for line in pool.lines] == [(1,), (0, 1)]
    assert pool.lines[0].policy.backoff.attempts == 2
    assert pool.lines[1].policy.breaker is not None
    assert pool.members[1].manner.latency_s == (1, 4)
    assert pool.members[1].quality == {"chat": 0.8, "": 0.7}
    first, second = pool.incidents
    assert (first.start_s, first.duration_s) == (1800, 300)
    assert first.error is FailureKind.OVERLOADED
    assert second.responds_s == float("inf")
    assert pool.outages[0].mean_s == 7800
    assert pool.common == 0.05


def test_without_policies_the_usual_ones_are_compared() -> None:
    assert [line.policy.name for line in read().lines] == [
        "one attempt",
        "retries",
        "retries, then fallback",
        "with circuit breaker",
    ]
    alone = read(deployments="\n  - {name: a, provider: x, model: m}")
    assert len(alone.lines) == 2


OUTAGE = "outages: [{provider: openai"
INCIDENT = "incidents:\n  - {provider: anthropic, "


@pytest.mark.parametrize(
    ("rest", "slug", "field"),
    [
        ("policies: [{name: x, timeout: 3}]", "failover-invalid", "policies[0]"),
        ("policies: [{name: x, timeout_s: fast}]", "failover-invalid", "policies[0].timeout_s"),
        ("policies: [{timeout_s: -1}]", "failover-invalid", "policies[0].timeout_s"),
        (
            "policies: [{backoff: {attempts: 0}}]",
            "failover-invalid",
            "policies[0].backoff.attempts",
        ),
        ("policies: [{backoff: {jitter: 2}}]", "failover-invalid", "policies[0].backoff.jitter"),
        ("policies: [{retry_budget: -0.1}]", "failover-invalid", "policies[0].retry_budget"),
        (
            "policies: [{deployments: [a, c]}]",
            "failover-unknown-deployment",
            "policies[0].deployments",
        ),
        ("policies: [{deployments: [a, b, a]}]", "failover-cycle", "policies[0].deployments"),
        ("policies: [{deployments: a}]", "failover-invalid", "policies[0].deployments"),
        (INCIDENT + "minutes: 5}", "failover-invalid", "incidents[0]"),
        (INCIDENT + "minutes: 0, start_hours: 0}", "failover-invalid", "incidents[0].minutes"),
        (INCIDENT + "minutes: 5, start_hours: 2}", "failover-outside-log", "incidents[0]"),
        (
            INCIDENT + "minutes: 5, start: 2025-01-01T00:00:00Z}",
            "failover-outside-log",
            "incidents[0]",
        ),
        (
            INCIDENT + "minutes: 5, start_hours: 0, form: odd}",
            "failover-invalid",
            "incidents[0].form",
        ),
        (
            INCIDENT + "minutes: 5, start_hours: 0}\n  - {minutes: 9, start_hours: 0.05}",
            "failover-overlap",
            "incidents",
        ),
        (
            "incidents: [{provider: mistral, minutes: 5, start_hours: 0}]",
            "failover-unknown-provider",
            "incidents[0]",
        ),
        (
            "outages: [{provider: openai, per_year: 2, median_minutes: 9, mean_minutes: 3}]",
            "failover-invalid",
            "outages[0].mean_minutes",
        ),
        (
            "outages: [{provider: openai, per_year: -2, median_minutes: 9, mean_minutes: 9}]",
            "failover-invalid",
            "outages[0].per_year",
        ),
        ("common_share: 2", "failover-invalid", "common_share"),
        *(
            (f"{OUTAGE}, {rest}}}]", "failover-invalid", f"outages[0]{field}")
            for rest, field in (
                ("per_year: 9000, median_minutes: 1, mean_minutes: 1", ".per_year"),
                ("per_year: .inf, median_minutes: 1, mean_minutes: 1", ".per_year"),
                ("per_year: 9, median_minutes: 1, mean_minutes: .inf", ".mean_minutes"),
                ("per_year: 9, median_minutes: 1, mean_minutes: .nan", ".mean_minutes"),
                ("per_year: 9, median_minutes: 900000000, mean_minutes: 900000000", ""),
                ("per_year: 9, median_minutes: 1, mean_minutes: 1, responds_s: -1", ".responds_s"),
                (
                    "per_year: 9, median_minutes: 1, mean_minutes: 1, responds_s: .nan",
                    ".responds_s",
                ),
            )
        ),
        (
            "incidents: [{minutes: 5, start_hours: .nan}]",
            "failover-invalid",
            "incidents[0].start_hours",
        ),
        ("policies: [{timeout_s: .inf}]", "failover-invalid", "policies[0].timeout_s"),
        ("policies: [{deadline_s: 1e9}]", "failover-invalid", "policies[0].deadline_s"),
        (
            "policies: [{breaker: {cooldown_s: .inf}}]",
            "failover-invalid",
            "policies[0].breaker.cooldown_s",
        ),
        (
            "policies: [{backoff: {longest_wait_s: 1e12}}]",
            "failover-invalid",
            "policies[0].backoff.longest_wait_s",
        ),
        (
            "policies: [{backoff: {attempts: 1000000000}}]",
            "failover-invalid",
            "policies[0].backoff.attempts",
        ),
        ("surprise: 2", "failover-invalid", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(rest: str, slug: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(rest)
    assert (caught.value.slug, caught.value.field) == (slug, field)
    assert caught.value.file == "pool.yaml"


@pytest.mark.parametrize(
    ("deployments", "slug", "field"),
    [
        (" []", "failover-invalid", "deployments"),
        (" [{name: a, provider: x}]", "failover-invalid", "deployments[0]"),
        (
            " [{name: a, provider: x, model: m}, {name: a, provider: y, model: m}]",
            "failover-duplicate",
            "deployments",
        ),
        (
            " [{name: a, provider: x, model: m, quality: 1.2}]",
            "failover-invalid",
            "deployments[0].quality",
        ),
        (
            " [{name: a, provider: x, model: m, quality: {chat: -1}}]",
            "failover-invalid",
            "deployments[0].quality.chat",
        ),
        (
            " [{name: a, provider: x, model: m, tokens_per_minute: 0}]",
            "failover-invalid",
            "deployments[0].tokens_per_minute",
        ),
        (
            " [{name: a, provider: x, model: m, latency: {median_s: 3, p99_s: 1}}]",
            "failover-invalid",
            "deployments[0].latency",
        ),
        (
            " [{name: a, provider: x, model: m, weight: -1}]",
            "failover-invalid",
            "deployments[0].weight",
        ),
        *(
            (
                f" [{{name: a, provider: x, model: m, {name}: {value}}}]",
                "failover-invalid",
                f"deployments[0].{name}",
            )
            for name, value in (
                ("weight", ".inf"),
                ("weight", ".nan"),
                ("responds_s", "-1"),
                ("responds_s", ".nan"),
                ("requests_per_minute", "1" + 400 * "0"),
                ("tokens_per_minute", "1" + 400 * "0"),
            )
        ),
        (
            " [{name: a, provider: x, model: m, latency: {median_s: 3, p99_s: .inf}}]",
            "failover-invalid",
            "deployments[0].latency.p99_s",
        ),
        (
            " [{name: a, provider: x, model: m, error_rate: .nan}]",
            "failover-invalid",
            "deployments[0].error_rate",
        ),
    ],
)
def test_a_bad_deployment_is_named_with_its_place(deployments: str, slug: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(deployments=deployments)
    assert (caught.value.slug, caught.value.field) == (slug, field)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("a: [", "failover-not-yaml"),
        ("", "failover-schema-unknown"),
        ("schema: llmops.failover/2", "failover-schema-unknown"),
        ("- 1", "failover-schema-unknown"),
    ],
)
def test_another_kind_of_file_is_refused(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        pool_from_yaml(text, BEGAN, 7200.0, source="pool.yaml")
    assert caught.value.slug == slug


def test_posted_outages_are_known_of_two_providers_and_of_no_other() -> None:
    known = published_outages(read().chain)
    assert [item.provider for item in known] == ["anthropic", "openai"]
    # Reference: .96 % and .72 % of the time.
    assert [item.unavailable for item in known] == pytest.approx([0.0096, 0.0072], abs=1e-4)
    with pytest.raises(LlmopsError) as caught:
        published_outages(read(deployments=" [{name: a, provider: x, model: m}]").chain)
    assert caught.value.slug == "failover-no-record"
