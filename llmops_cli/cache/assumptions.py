"""Behaviour that no provider documents: the defaults of ``rules.yaml``, and what replaces them.

Also the two behaviours themselves that are no rule of storage: requests that overflow to another
machine, and reads that fail at random.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from llmops_cli.cache.rules import CacheRules, provider_names, provider_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["Assumption", "assumed", "assumptions", "idle", "machines", "missed"]

_MINUTE_US = 60_000_000
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Assumption:
    """One knob and its value; ``provider`` is empty for every provider that has the knob."""

    provider: str
    knob: str
    value: str

    def holds_for(self, rules: CacheRules) -> bool:
        """Whether these rules have the knob, and are meant."""
        return self.knob in rules.knobs and self.provider in {"", rules.name}


def _seconds(text: str) -> dict[str, int]:
    value = float(text)
    if not 0 < value < 1e9:  # noqa: PLR2004 - thirty years
        raise ValueError
    return {"life_5m_us": round(value * _US)}


def _share(text: str) -> dict[str, float]:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return {"miss_rate": value}


def _per_minute(text: str) -> dict[str, int]:
    return {"overflow_per_minute": 0 if text == "never" else _positive(text)}


def _step(text: str) -> dict[str, int]:
    return {"step_tokens": _positive(text)}


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_SET: Mapping[str, tuple[str, Callable[[str], Mapping[str, float]]]] = {
    "lifetime": ("seconds", _seconds),
    "miss_rate": ("a share between 0 and 1", _share),
    "overflow": ("requests a minute, or never", _per_minute),
    "step_tokens": ("tokens", _step),
}
# What can be set: in what unit, and the fields of the rules that it becomes.

_ELSEWHERE = {"refresh": "--refresh hit|marked", "kv_tokens": "--kv-tokens N"}


def assumptions(given: Sequence[str]) -> tuple[Assumption, ...]:
    """``KNOB=VALUE`` and ``PROVIDER.KNOB=VALUE``, checked against the knobs of ``rules.yaml``.

    Raises:
        LlmopsError: ``cache-unknown-assumption``, ``cache-bad-assumption``.
    """
    return tuple(_assumption(text) for text in given)


def _assumption(text: str) -> Assumption:
    name, _, value = text.partition("=")
    provider, _, knob = name.rpartition(".")
    # Names of providers have dots too: openai-5.5.lifetime.
    if knob in _ELSEWHERE:
        raise _refused(f"'{knob}' has an option of its own", f"use {_ELSEWHERE[knob]}")
    known = {item for rules in map(provider_rules, provider_names()) for item in rules.knobs}
    if knob not in _SET:
        fixed = knob in known
        near = get_close_matches(knob, _SET, n=1, cutoff=0.4)
        what = "is stated, and cannot be set" if fixed else "is not an undocumented behaviour"
        hint = f"one of {', '.join(_SET)}" if fixed or not near else f"did you mean '{near[0]}'?"
        raise _refused(f"'{knob}' {what}", hint)
    if provider and knob not in provider_rules(provider).knobs:
        have = [n for n in provider_names() if knob in provider_rules(n).knobs]
        raise _refused(f"'{provider}' has no '{knob}'", f"one of {', '.join(have)} has")
    unit, read = _SET[knob]
    try:
        read(value)
    except (ValueError, OverflowError):
        raise LlmopsError(
            "cache-bad-assumption",
            f"'{value}' is no value of '{knob}'",
            hint=f"it is given in {unit}",
            exit_code=ExitCode.USAGE,
        ) from None
    return Assumption(provider, knob, value)


def _refused(message: str, hint: str) -> LlmopsError:
    return LlmopsError("cache-unknown-assumption", message, hint=hint, exit_code=ExitCode.USAGE)


def assumed(rules: CacheRules, given: Sequence[Assumption]) -> CacheRules:
    """The rules with the knobs set that they have; a later assumption replaces an earlier one."""
    for item in given:
        if item.holds_for(rules):
            knob = replace(rules.knobs[item.knob], default=item.value, given=True)
            fields = _SET[item.knob][1](item.value)
            rules = replace(rules, knobs={**rules.knobs, item.knob: knob}, **fields)
    return rules


def idle(given: Sequence[Assumption], asked: Sequence[CacheRules]) -> LlmopsError | None:
    """The refusal of an assumption that changes nothing of what is asked about."""
    for item in given:
        if not any(item.holds_for(rules) for rules in asked):
            name = item.provider or next(
                name for name in provider_names() if item.knob in provider_rules(name).knobs
            )
            return LlmopsError(
                "cache-idle-assumption",
                f"'{item.knob}' is of a provider that is not asked about",
                hint=f"add --provider {name}",
                exit_code=ExitCode.USAGE,
            )
    return None


def machines(trace: CacheTrace, per_minute: int) -> Ints:
    """The machine that serves each call, where one takes so many requests of a prefix a minute.

    Of the requests with one first block in one isolation domain that began within a minute, the
    first ``per_minute`` are served by machine 0, the next ones by machine 1, and so on; each
    machine has a cache of its own.

    Args:
        trace: the calls as one isolation domain shares them.
        per_minute: requests of a prefix that a machine takes in any 60 s; 0 for no limit.
    """
    if not per_minute:
        return np.zeros(trace.calls, np.int64)
    prefix = np.unique(trace.shard, return_inverse=True)[1].astype(np.int64)
    start = trace.start_us - trace.start_us.min(initial=0)
    # One ascending key for prefix and time: the minute before a call never reaches another prefix.
    width = int(start.max(initial=0)) + _MINUTE_US + 1
    key = prefix * width + start
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.searchsorted(ordered, np.maximum(ordered - _MINUTE_US + 1, prefix[order] * width))
    rank = np.empty(trace.calls, np.int64)
    rank[order] = np.arange(trace.calls) - first
    return rank // per_minute


def missed(calls: int, rate: float, seed: int) -> Mask:
    """Which calls find nothing, each by a draw of its own; a higher rate misses them as well."""
    return np.random.default_rng(seed).random(calls) < rate
