"""llmops: offline evaluation and planning of LLM applications from logged traffic.

The public verbs live here and load on first use, so that importing the package costs
nothing until a question is asked.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmops_cli.audit import audit_traces, describe_calls
    from llmops_cli.cache import cache_estimate
    from llmops_cli.failover import simulate_failover
    from llmops_cli.judge import judge_eval, plan_labels
    from llmops_cli.rollout import check_rollout, plan_rollout, simulate_rollout
    from llmops_cli.serving import simulate_serving
    from llmops_cli.speculation import plan_speculation
    from llmops_cli.tiers import simulate_tiers
    from llmops_cli.traffic import read_calls

__version__ = "0.1.0"

_VERBS = {
    "audit_traces": "llmops_cli.audit",
    "cache_estimate": "llmops_cli.cache",
    "check_rollout": "llmops_cli.rollout",
    "describe_calls": "llmops_cli.audit",
    "judge_eval": "llmops_cli.judge",
    "plan_labels": "llmops_cli.judge",
    "plan_rollout": "llmops_cli.rollout",
    "plan_speculation": "llmops_cli.speculation",
    "read_calls": "llmops_cli.traffic",
    "simulate_failover": "llmops_cli.failover",
    "simulate_rollout": "llmops_cli.rollout",
    "simulate_serving": "llmops_cli.serving",
    "simulate_tiers": "llmops_cli.tiers",
}

__all__ = [
    "__version__",
    "audit_traces",
    "cache_estimate",
    "check_rollout",
    "describe_calls",
    "judge_eval",
    "plan_labels",
    "plan_rollout",
    "plan_speculation",
    "read_calls",
    "simulate_failover",
    "simulate_rollout",
    "simulate_serving",
    "simulate_tiers",
]


def __getattr__(name: str) -> object:
    """Import the room of a public verb when the verb is first asked for."""
    if name in _VERBS:
        return getattr(import_module(_VERBS[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
