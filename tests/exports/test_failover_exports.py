"""Failover plans for other programs: their schemas, their order, and what they cannot say."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmops_cli.exports import FAILOVER_EXPORTS
from llmops_cli.failover.model import FailoverPlan
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy

Validate = Callable[[dict[str, Any]], None]

CHAIN = (
    Deployment(name="one", provider="anthropic", model="claude-haiku-4-5"),
    Deployment(name="two", provider="openai", model="gpt-4.1-mini", requests_per_minute=500),
    Deployment(name="three", provider="azure", model="gpt-4.1", tokens_per_minute=9000),
)
WEIGHTED = (
    Deployment(name="one", provider="openai", model="a", weight=3, context_window_tokens=1000),
    Deployment(name="two", provider="azure", model="a", weight=1, context_window_tokens=1000),
    Deployment(name="big", provider="anthropic", model="b", context_window_tokens=9000),
)
EVERYTHING = FailoverPolicy(
    timeout_s=12.5,
    first_token_s=3,
    stall_s=4,
    deadline_s=40,
    backoff=Backoff(attempts=8, first_wait_s=0.2),
    breaker=Breaker(allowed_failures=2, cooldown_s=45),
    other_provider=True,
    retry_budget=0.1,
    hedge_after_s=5,
)
PLANS = {
    "usual": FailoverPlan(FailoverPolicy(), CHAIN),
    "alone": FailoverPlan(FailoverPolicy(breaker=None), CHAIN[:1]),
    "weighted": FailoverPlan(EVERYTHING, WEIGHTED),
}


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> FailoverPlan:
    return PLANS[request.param]


def test_the_gateways_manifests_obey_their_schemas(plan: FailoverPlan, validate: Validate) -> None:
    found = list(yaml.safe_load_all(FAILOVER_EXPORTS["envoy-ai-gateway"](plan).text))
    kinds = [item["kind"] for item in found]
    backends = ["AIServiceBackend"] * len(plan.chain)
    assert kinds == ["AIGatewayRoute", *backends, "BackendTrafficPolicy"]
    for manifest in found[:-1]:
        validate(manifest)


def test_priorities_follow_the_chain_and_weights_share_the_first() -> None:
    def priorities(name: str) -> list[tuple[int, int | None]]:
        route = next(yaml.safe_load_all(FAILOVER_EXPORTS["envoy-ai-gateway"](PLANS[name]).text))
        references = route["spec"]["rules"][0]["backendRefs"]
        return [(item["priority"], item.get("weight")) for item in references]

    assert priorities("usual") == [(0, None), (1, None), (2, None)]
    assert priorities("weighted") == [(0, 300), (0, 100), (1, None)]


def test_litellm_has_one_entry_per_deployment_and_groups_in_order() -> None:
    found = yaml.safe_load(FAILOVER_EXPORTS["litellm"](PLANS["usual"]).text)
    assert [item["model_info"]["id"] for item in found["model_list"]] == ["one", "two", "three"]
    assert found["model_list"][0]["litellm_params"]["model"] == "anthropic/claude-haiku-4-5"
    assert found["model_list"][1]["litellm_params"]["rpm"] == 500
    settings = found["router_settings"]
    assert settings["fallbacks"] == [{"llm-app": ["llm-app-two", "llm-app-three"]}]
    assert (settings["num_retries"], settings["cooldown_time"]) == (2, 30.0)
    assert "allowed_fails" not in settings


def test_litellm_knows_weights_windows_and_other_providers() -> None:
    found = yaml.safe_load(FAILOVER_EXPORTS["litellm"](PLANS["weighted"]).text)
    groups = [(i["model_name"], i["litellm_params"].get("weight")) for i in found["model_list"]]
    assert groups == [("llm-app", 3), ("llm-app", 1), ("llm-app-big", None)]
    settings = found["router_settings"]
    assert settings["context_window_fallbacks"] == [{"llm-app": ["llm-app-big"]}]
    assert settings["content_policy_fallbacks"] == [{"llm-app": ["llm-app-big"]}]
    assert settings["enable_pre_call_checks"] is True
    assert (settings["allowed_fails"], settings["timeout"]) == (2, 12.5)


def test_litellm_without_breaker_or_backup() -> None:
    found = yaml.safe_load(FAILOVER_EXPORTS["litellm"](PLANS["alone"]).text)
    assert found["router_settings"]["disable_cooldowns"] is True
    assert "fallbacks" not in found["router_settings"]


@pytest.mark.filterwarnings("ignore")  # of its own code
def test_litellms_own_router_takes_the_configuration(plan: FailoverPlan) -> None:
    router = pytest.importorskip("litellm", reason="litellm is not installed").Router
    found = yaml.safe_load(FAILOVER_EXPORTS["litellm"](plan).text)
    made = router(model_list=found["model_list"], **found["router_settings"])
    assert len(made.model_list) == len(plan.chain)


@pytest.mark.filterwarnings("ignore")  # of its own code
def test_litellms_own_configuration_loader_makes_the_router(
    plan: FailoverPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks for it on the network
    proxy = pytest.importorskip(
        "litellm.proxy.proxy_server", reason="litellm's proxy is not installed"
    )
    file = tmp_path / "config.yaml"
    file.write_text(FAILOVER_EXPORTS["litellm"](plan).text, "utf-8")
    loading = proxy.ProxyConfig().load_config(router=None, config_file_path=str(file))
    router, models, _ = asyncio.run(loading)
    assert [item["model_info"]["id"] for item in models] == [item.name for item in plan.chain]
    assert router.timeout == plan.policy.timeout_s
    assert bool(router.fallbacks) == (len(plan.chain) > 1)


def test_portkeys_targets_follow_the_chain() -> None:
    found = json.loads(FAILOVER_EXPORTS["portkey"](PLANS["usual"]).text)
    assert found["strategy"]["mode"] == "fallback"
    assert {401, 429, 529} <= set(found["strategy"]["on_status_codes"])
    assert 400 not in found["strategy"]["on_status_codes"]
    models = [item["override_params"]["model"] for item in found["targets"]]
    assert models == [item.model for item in CHAIN]
    assert {item["request_timeout"] for item in found["targets"]} == {60_000}
    weighted = json.loads(FAILOVER_EXPORTS["portkey"](PLANS["weighted"]).text)
    shared, last = weighted["targets"]
    assert shared["strategy"] == {"mode": "loadbalance"}
    assert [item["weight"] for item in shared["targets"]] == [3, 1]
    assert last["override_params"] == {"model": "b"}


@pytest.mark.parametrize("name", FAILOVER_EXPORTS)
def test_what_a_target_cannot_say_is_said(name: str) -> None:
    rich, plain = (FAILOVER_EXPORTS[name](PLANS[plan]) for plan in ("weighted", "alone"))
    words = " ".join(rich.warnings)
    for lost in ("retry budget", "Hedging", "deadline", "first token", "stalled"):
        assert lost in words
    assert len(plain.warnings) < len(rich.warnings)
    if name != "portkey":
        assert all(part in " ".join(rich.text.replace("\n#", " ").split()) for part in
                   (item.split(":")[0] for item in rich.warnings))  # fmt: skip
