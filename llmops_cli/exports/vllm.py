"""A plan of speculation as vLLM's ``speculative_config``."""

from typing import Any

from llmops_cli.speculation.settings import SpeculationPlan

__all__ = ["vllm_speculative_config"]

_METHODS = {"ngram": "ngram", "chain": "draft_model", "tree": "eagle", "parallel": "medusa"}
_MOST = 65_536
"""A batch that no server reaches: the end of the last stretch."""


def vllm_speculative_config(plan: SpeculationPlan) -> str:
    """The settings as YAML, as ``vllm serve --config`` reads them.

    Drafting ends above the break-even batch by ``num_speculative_tokens_per_batch_size``. Its
    predecessor ``disable_by_batch_size`` has had no effect since vLLM 0.10.0.

    Source:
        vllm-project/vllm, pull requests 32374 and 35060, issue 49548.
    """
    import yaml  # noqa: PLC0415 - only a written export pays for it

    if plan.off_above == 0:
        return (
            f"# vLLM: speculation with {plan.draft} does not pay at any batch; nothing is set.\n"
            "speculative_config: null\n"
        )
    asked: dict[str, Any] = {"method": plan.method or _METHODS[plan.kind]}
    if plan.model:
        asked["model"] = plan.model
    asked["num_speculative_tokens"] = plan.drafted_tokens
    by_batch = _by_batch(plan)
    if len(by_batch) > 1:
        asked["num_speculative_tokens_per_batch_size"] = by_batch
    body = yaml.safe_dump(
        {"speculative_config": asked}, sort_keys=False, width=100, default_flow_style=None
    )
    return "".join(f"# {line}\n" for line in _remarks(plan)) + body


def _by_batch(plan: SpeculationPlan) -> list[list[int]]:
    """First batch, last batch and drafted tokens, over all batches and without a gap."""
    found: list[list[int]] = []
    free = 1
    for first, last in plan.drafting:
        if first > free:
            found.append([free, first - 1, 0])
        found.append([first, last, plan.drafted_tokens])
        free = last + 1
    if plan.off_above is None:
        found[-1][1] = _MOST
    else:
        found.append([free, _MOST, 0])
    return found


def _remarks(plan: SpeculationPlan) -> list[str]:
    told = [f"vLLM: {plan.drafted_tokens} tokens of {plan.draft} for {plan.target} on {plan.gpu}."]
    if len(_by_batch(plan)) > 1:
        told += [
            "num_speculative_tokens_per_batch_size needs a vLLM of 2026-05 or later; earlier ones",
            "refuse it, and their disable_by_batch_size has had no effect since 0.10.0. A report",
            "(issue 49548) saw throughput collapse where batches cross its edge: measure there.",
        ]
    if plan.kind == "tree":
        told.append("vLLM drafts chains: the tree of the plan is not what it will run.")
    return told
