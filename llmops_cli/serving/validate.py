"""Policies that contradict themselves or the trace are refused before anything is simulated."""

from typing import TYPE_CHECKING

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Batching, Policy

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DEFAULT_BLOCK_TOKENS", "check_policy"]

DEFAULT_BLOCK_TOKENS = 16
"""Where neither the trace nor the policy says."""

MOST_BLOCKS = 1 << 29
"""Places of blocks are 32-bit numbers, and a ring of releases has two for each."""


def _refuse(policy: Policy, slug: str, sentence: str, hint: str = "") -> LlmopsError:
    message = f"policy '{policy.name}': {sentence}"
    return LlmopsError(f"serving-{slug}", message, hint=hint, exit_code=ExitCode.USAGE)


def _check_sizes(policy: Policy) -> None:
    scheduler, memory, pools = policy.scheduler, policy.memory, policy.pools
    tier = memory.second_tier
    for name, value in (
        ("replicas", policy.replicas),
        ("max_batch", scheduler.max_batch),
        ("token_budget", scheduler.token_budget),
        ("blocks", memory.blocks),
        ("block_tokens", 1 if memory.block_tokens is None else memory.block_tokens),
        ("blocks of the second tier", tier.blocks if tier else 1),
        ("decode_replicas", pools.decode_replicas if pools else 1),
    ):
        if not 1 <= value <= MOST_BLOCKS:
            raise _refuse(policy, "size", f"{name} is {value}, not 1 to {MOST_BLOCKS}")
    if pools and pools.decode_replicas >= policy.replicas:
        sentence = f"{pools.decode_replicas} of {policy.replicas} replicas decode, none is left"
        raise _refuse(policy, "pools", f"{sentence} to prefill")
    if scheduler.batching == Batching.CHUNKED and scheduler.token_budget < scheduler.max_batch:
        sentence = f"{scheduler.token_budget} tokens an iteration cannot serve"
        hint = "raise the token budget or lower max_batch"
        raise _refuse(
            policy, "budget", f"{sentence} {scheduler.max_batch} decoding sequences", hint
        )


def _check_rates(policy: Policy) -> None:
    tier, pools, router = policy.memory.second_tier, policy.pools, policy.router
    if router.load_factor <= 1:
        raise _refuse(policy, "rate", f"load_factor is {router.load_factor:g}, not above 1")
    for name, value in (
        ("bytes_per_s of the second tier", tier.bytes_per_s if tier else 1.0),
        ("bytes_per_s between the pools", pools.bytes_per_s if pools else 1.0),
    ):
        if not value > 0:
            raise _refuse(policy, "rate", f"{name} is {value:g}, not above 0")
    for name, value in (
        ("index_delay_s", router.index_delay_s),
        ("think_s", policy.think_s or 0.0),
        ("latency_s", pools.latency_s if pools else 0.0),
    ):
        if not 0 <= value < float("inf"):
            raise _refuse(policy, "rate", f"{name} is {value:g}, not a time")


def _check_trace(trace: RequestTrace, policy: Policy) -> None:
    tokens, asked = trace.block_tokens, policy.memory.block_tokens
    if tokens and asked and tokens != asked:
        sentence = f"its blocks are of {asked} tokens, those of {trace.source or 'the trace'}"
        hint = "leave block_tokens out to take the trace's"
        raise _refuse(policy, "block-size", f"{sentence} of {tokens}", hint)
    tokens = tokens or asked or DEFAULT_BLOCK_TOKENS
    last: np.ndarray = trace.input_tokens + trace.output_tokens - 1
    needed = (last - 1) // tokens + 1
    if len(needed) and needed.max() > policy.memory.blocks:
        longest = int(needed.argmax())
        sentence = f"request {longest + 1} needs {needed[longest]} blocks of {tokens} tokens"
        raise _refuse(
            policy,
            "capacity",
            f"{sentence}, a replica has {policy.memory.blocks}",
            "give a replica more memory, or leave such requests out",
        )


def check_policy(trace: RequestTrace, policy: Policy) -> None:
    """Refuse what cannot be simulated.

    Raises:
        LlmopsError: a size or rate out of its range; blocks of another size than the trace's; a
            request that fits in no replica.
    """
    _check_sizes(policy)
    _check_rates(policy)
    _check_trace(trace, policy)
