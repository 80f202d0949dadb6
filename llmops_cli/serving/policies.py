"""From policy lines and machines to policies the simulation takes."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from enum import IntEnum
from math import isfinite
from typing import TypeVar

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.model import (
    Eviction,
    Memory,
    Policy,
    Pools,
    Router,
    Scheduler,
    SecondTier,
)
from llmops_cli.serving.policy_lines import Line

__all__ = ["LINK_GBPS", "TIER_GBPS", "gpus_of", "machines_of", "policy_of"]

Choice = TypeVar("Choice", bound=IntEnum)

LINK_GBPS = 50.0
"""From prefill to decode, where a line does not say: a 400 Gb/s network adapter per replica."""

TIER_GBPS = 25.0
"""Of a second tier, where a line does not say: half of what PCIe 5 x16 can do."""

PLAIN_BLOCK = 16
"""Tokens of a block where neither trace nor line says: vLLM's."""

_ROUTERS = {
    "session": "session-affinity",
    "affinity": "session-affinity",
    "hash": "bounded-hash",
    "kv": "kv-cost",
    "kv-aware": "kv-cost",
    "kv-router": "kv-cost",
    "dynamo": "kv-cost",
    "llm-d": "scored",
    "sglang": "prefix-tree",
    "p2c": "power-of-two",
}
"""Other words for routers, theirs among them."""


def policy_of(line: Line, machines: Machines, block_tokens: int) -> Policy:
    """The policy of a line on some machines.

    Args:
        line: what was asked.
        machines: what it runs on where the line does not say.
        block_tokens: of the trace; 0 where it records no blocks.

    Raises:
        LlmopsError: ``serving-bad-value``, ``serving-unknown-choice``, and those of
            :mod:`llmops_cli.hardware` for a model or GPU that is not known.
    """
    values = _Values(line)
    own = machines_of(line, machines)
    size = block_tokens or values.whole("block", PLAIN_BLOCK)
    return Policy(
        name=line.name,
        replicas=own.replicas,
        step_time=own.step_time(),
        memory=Memory(
            blocks=own.capacity(size),
            block_tokens=values.whole("block", block_tokens or PLAIN_BLOCK),
            prefix_caching=values.flag("cache", default=True),
            eviction=values.choice("eviction", Eviction.LRU),
            second_tier=_second_tier(values, own),
        ),
        scheduler=_scheduler(values),
        router=_router(values),
        pools=_pools(values, own),
        think_s=values.number("think"),
    )


def machines_of(line: Line, machines: Machines) -> Machines:
    """The machines a line runs on: the common one, and what the line says of machines."""
    values, texts = _Values(line), dict(line.values)
    deployment = machines.deployment
    if "tp" in texts:
        deployment = replace(deployment, tensor_parallel=values.whole("tp", 1))
    return replace(
        machines,
        model=model_named(texts["model"]) if "model" in texts else machines.model,
        gpu=gpu_named(texts["gpu"]) if "gpu" in texts else machines.gpu,
        deployment=deployment,
        replicas=values.whole("replicas", machines.replicas),
        blocks=values.whole("blocks", machines.blocks or 0) or None,
    )


def gpus_of(policy: Policy, machines: Machines) -> int:
    """GPUs of a whole policy."""
    return policy.replicas * machines.deployment.tensor_parallel


def _scheduler(values: "_Values") -> Scheduler:
    usual = Scheduler()
    return Scheduler(
        batching=values.choice("batching", usual.batching),
        token_budget=values.whole("chunk", usual.token_budget),
        max_batch=values.whole("batch", min(usual.max_batch, values.whole("chunk", 1 << 30))),
    )


def _router(values: "_Values") -> Router:
    usual = Router()
    return Router(
        routing=values.choice("router", usual.routing, _ROUTERS),
        index_delay_s=values.amount("delay", usual.index_delay_s),
        overlap_weight=values.amount("weight", usual.overlap_weight),
        match_threshold=values.amount("threshold", usual.match_threshold),
        imbalance_requests=values.whole("imbalance", usual.imbalance_requests, least=0),
        imbalance_ratio=values.amount("imbalance-ratio", usual.imbalance_ratio),
        load_factor=values.amount("load-factor", usual.load_factor),
        prefix_weight=values.amount("prefix-weight", usual.prefix_weight),
        queue_weight=values.amount("queue-weight", usual.queue_weight),
        memory_weight=values.amount("memory-weight", usual.memory_weight),
    )


def _second_tier(values: "_Values", machines: Machines) -> SecondTier | None:
    blocks = values.whole("tier2", 0, least=0)
    if not blocks:
        return None
    rate = 1e9 * values.amount("tier2-gbps", TIER_GBPS)
    return SecondTier(blocks=blocks, bytes_per_s=rate, kv_bytes_per_token=machines.kv_bytes)


def _pools(values: "_Values", machines: Machines) -> Pools | None:
    decode = values.whole("decode", 0, least=0)
    if not decode:
        return None
    return Pools(
        decode_replicas=decode,
        kv_bytes_per_token=machines.kv_bytes,
        bytes_per_s=1e9 * values.amount("link-gbps", LINK_GBPS),
        latency_s=values.amount("link-latency", 0.0),
    )


class _Values:
    """The texts of a line as numbers and choices, refused by their key."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._texts: Mapping[str, str] = dict(line.values)

    def number(self, key: str) -> float | None:
        """A number from 0, or None where the line does not say."""
        if key not in self._texts:
            return None
        try:
            value = float(self._texts[key])
        except ValueError:
            value = float("nan")
        if not isfinite(value) or value < 0:
            raise self._bad(key, "a number from 0")
        return value

    def amount(self, key: str, usual: float) -> float:
        """A number from 0."""
        value = self.number(key)
        return usual if value is None else value

    def whole(self, key: str, usual: int, *, least: int = 1) -> int:
        """A whole number."""
        if key not in self._texts:
            return usual
        try:
            value = int(self._texts[key])
        except ValueError:
            value = least - 1
        if value < least:
            raise self._bad(key, f"a whole number from {least}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """On or off."""
        text = self._texts.get(key, "on" if default else "off").lower()
        if text not in {"on", "off"}:
            raise self._bad(key, "on or off")
        return text == "on"

    def choice(self, key: str, usual: Choice, aliases: Mapping[str, str] | None = None) -> Choice:
        """One of several words."""
        if key not in self._texts:
            return usual
        text = self._texts[key].lower().replace("_", "-")
        words = {member.name.lower().replace("_", "-"): member for member in type(usual)}
        found = words.get((aliases or {}).get(text, text))
        if found is not None:
            return found
        near = get_close_matches(text, [*words, *(aliases or ())], n=1)
        raise LlmopsError(
            "serving-unknown-choice",
            f"policy '{self._line.name}': '{self._texts[key]}' is no {key}",
            hint=f"did you mean '{near[0]}'?" if near else f"one of {', '.join(words)}",
            exit_code=ExitCode.USAGE,
        )

    def _bad(self, key: str, wanted: str) -> LlmopsError:
        return LlmopsError(
            "serving-bad-value",
            f"policy '{self._line.name}': {key}={self._texts[key]} is not {wanted}",
            exit_code=ExitCode.USAGE,
        )
