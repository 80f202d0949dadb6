"""A plan becomes a file that another program reads: one module per program."""

from collections.abc import Callable, Mapping

from llmops_cli.exports.argo import argo_rollout
from llmops_cli.exports.envoy_ai_gateway import ai_gateway_route
from llmops_cli.exports.envoy_failover import envoy_failover
from llmops_cli.exports.flagd import flagd_flag
from llmops_cli.exports.flagger import flagger_canary
from llmops_cli.exports.gateway_api import http_route
from llmops_cli.exports.github_actions import github_workflow
from llmops_cli.exports.litellm import litellm_config
from llmops_cli.exports.litellm_failover import litellm_failover
from llmops_cli.exports.litellm_weights import litellm_weights
from llmops_cli.exports.portkey import portkey_config
from llmops_cli.exports.rollout_file import RolloutFile
from llmops_cli.exports.routing_table import routing_table
from llmops_cli.exports.sglang import sglang_speculative
from llmops_cli.exports.vllm import vllm_speculative_config
from llmops_cli.failover.model import FailoverPlan
from llmops_cli.rollout.model import Plan
from llmops_cli.speculation.settings import SpeculationPlan
from llmops_cli.tiers.plan import TierPlan

__all__ = [
    "EXPORTS",
    "FAILOVER_EXPORTS",
    "ROLLOUT_EXPORTS",
    "SPECULATION_EXPORTS",
    "RolloutFile",
    "litellm_config",
    "routing_table",
]

EXPORTS: Mapping[str, Callable[[TierPlan], str]] = {
    "litellm": litellm_config,
    "table": routing_table,
}
"""What a plan of tiers can become, by name."""

ROLLOUT_EXPORTS: Mapping[str, Callable[[Plan], RolloutFile]] = {
    "argo": argo_rollout,
    "flagger": flagger_canary,
    "http-route": http_route,
    "flagd": flagd_flag,
    "litellm": litellm_weights,
    "envoy-ai-gateway": ai_gateway_route,
    "github": github_workflow,
}
"""What a rollout plan can become, by name."""

SPECULATION_EXPORTS: Mapping[str, Callable[[SpeculationPlan], str]] = {
    "vllm": vllm_speculative_config,
    "sglang": sglang_speculative,
}
"""What a plan of speculation can become, by name."""

FAILOVER_EXPORTS: Mapping[str, Callable[[FailoverPlan], RolloutFile]] = {
    "litellm": litellm_failover,
    "envoy-ai-gateway": envoy_failover,
    "portkey": portkey_config,
}
"""What a failover plan can become, by name."""
