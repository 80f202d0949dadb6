"""The same traffic under every provider's rules: tokens read and written, and USD at its prices.

Token counts stay those of the log; another tokenizer would count a few per cent differently.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.assumptions import assumed, assumptions, idle, machines, missed
from llmops_cli.cache.kernel import Plan, hits, replay_plan, whole
from llmops_cli.cache.messages import explicit_plan, implicit_plan
from llmops_cli.cache.objects import objects
from llmops_cli.cache.pages import page_reads
from llmops_cli.cache.policies import plan
from llmops_cli.cache.prefixes import prefix_reads, stepped
from llmops_cli.cache.rules import CacheRules, provider_names, provider_rules
from llmops_cli.cache.spend import Priced, price_calls
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.units import continued, unit_plan
from llmops_cli.cache.visits import Ints
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.prices import PriceBook

__all__ = ["ALL", "Crossing", "Setting", "asked_for", "cross", "under_rules"]

Floats = npt.NDArray[np.float64]

ALL = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """One row of the comparison: ``(calls, 4)`` tokens and what they cost; None without prices.

    ``extra_usd`` is what no token class holds: storage, and an object's first reading.
    """

    rules: CacheRules
    model: str
    tokens: Ints
    uncached_usd: float | None
    input_usd: float | None
    extra_usd: float


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    tokens: Ints
    token_hours: float = 0.0
    created: int = 0


def asked_for(names: Sequence[str], assume: Sequence[str] = ()) -> list[tuple[CacheRules, str]]:
    """``all``, ``NAME`` or ``NAME=MODEL``, as rules and the model they are priced as.

    Args:
        names: the providers.
        assume: knobs of theirs, as :func:`assumptions` reads them.

    Raises:
        LlmopsError: ``cache-unknown-provider``, ``cache-other-rules``, ``cache-idle-assumption``
            and what :func:`assumptions` refuses.
    """
    given, asked = assumptions(assume), _named(names)
    refusal = idle(given, [rules for rules, _ in asked])
    if refusal is not None:
        raise refusal
    return [(assumed(rules, given), model) for rules, model in asked]


def _named(names: Sequence[str]) -> list[tuple[CacheRules, str]]:
    found: list[tuple[CacheRules, str]] = []
    for name in names:
        known, _, model = name.partition("=")
        if known == ALL and model:
            raise LlmopsError(
                "cache-unknown-provider",
                f"one model for all providers, '{model}', has no meaning",
                hint="name the provider: --provider openai-explicit=gpt-6-sol",
                exit_code=ExitCode.USAGE,
            )
        for each in provider_names() if known == ALL else (known,):
            rules = provider_rules(each)
            if model and not (rules.priced_as and rules.serve(model)):
                raise LlmopsError(
                    "cache-other-rules",
                    f"'{model}' is not cached by the rules of {rules.label}",
                    hint=f"leave the model out for {rules.priced_as or 'tokens alone'}",
                    exit_code=ExitCode.USAGE,
                )
            found.append((rules, model or rules.priced_as))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What the providers are compared on: days to price at, a server's memory, and luck."""

    day: Ints
    kv_tokens: int
    seed: int = 0


def cross(
    trace: CacheTrace, asked: Iterable[tuple[CacheRules, str]], setting: Setting, book: PriceBook
) -> list[Crossing]:
    """Replay and price the trace under each provider.

    Raises:
        LlmopsError: ``price-unknown-model``, ``price-class-missing``, ``cache-unknown-minimum``.
    """
    return [_crossing(trace, rules, model, setting, book) for rules, model in asked]


def _crossing(
    trace: CacheTrace, rules: CacheRules, model: str, setting: Setting, book: PriceBook
) -> Crossing:
    minimum = rules.minimum(model).tokens
    found = under_rules(trace, rules, minimum, kv_tokens=setting.kv_tokens, seed=setting.seed)
    if not model:
        return Crossing(rules, "", found.tokens, None, None, 0.0)
    prices = price_calls(
        Priced(
            np.full(trace.calls, model, object),
            np.full(trace.calls, rules.prices_of, object),
            setting.day,
            np.full(trace.calls, "", object),
        ),
        trace.prompt_tokens,
        book,
    )
    per_token = prices.per_token.copy()
    if rules.mechanism == "object":
        # An object is created at the input price (no separate fee is published).
        per_token[:, 2] = per_token[:, 0]
    priced = replace(prices, per_token=per_token)
    usd = priced.usd(np.column_stack([found.tokens, np.zeros(trace.calls, np.int64)]))
    uncached = float((trace.prompt_tokens * per_token[:, 0]).sum())
    extra = found.token_hours * rules.storage_usd(model) / 1e6
    if found.created:
        extra += float((found.tokens[:, 2] * per_token[:, 1]).sum())
    return Crossing(rules, model, found.tokens, uncached, float(usd.sum()) + extra, extra)


def under_rules(
    trace: CacheTrace,
    rules: CacheRules,
    minimum: int,
    *,
    kv_tokens: int = 500_000,
    seed: int = 0,
) -> _Found:
    """``(calls, 4)`` tokens of every call as if all of them were sent to one model there."""
    server = np.zeros(trace.calls, np.int64)
    local = trace.shared_by(server if rules.isolation == "server" else trace.domain, minimum)
    if rules.overflow_per_minute:
        machine = machines(local, rules.overflow_per_minute)
        local = trace.shared_by(trace.domain * (int(machine.max()) + 1) + machine, minimum)
    if rules.mechanism == "object":
        found = objects(local, rules)
        written = found.written
        tokens = _classes(local, found.read - written, written)
        return _Found(tokens, float(found.token_hours.sum()), int((written > 0).sum()))
    if rules.mechanism in {"prefix", "pages", "units"}:
        read = _reads(local, rules, kv_tokens)
        read[missed(trace.calls, rules.miss_rate, seed)] = 0
        return _Found(_classes(local, read, server))
    part = whole(local, {})
    return _Found(replay_plan(part, _plan(local, rules), local.visits))


def _reads(trace: CacheTrace, rules: CacheRules, kv_tokens: int) -> Ints:
    if rules.mechanism == "pages":
        return page_reads(trace, kv_tokens, rules.step_tokens)
    if rules.mechanism == "prefix":
        read = prefix_reads(trace, rules.life_5m_us)
        return stepped(read, rules.step_tokens, trace.minimum)
    longer = continued(trace)
    hit = hits(whole(longer.trace, {}), unit_plan(longer, rules), longer.trace.visits)
    return np.where(hit >= 0, longer.trace.depth_tokens[hit], 0)


def _plan(trace: CacheTrace, rules: CacheRules) -> Plan:
    if rules.mechanism == "message-ends":
        return implicit_plan(trace, rules)
    if rules.mechanism == "explicit":
        return explicit_plan(trace, rules)
    return plan(trace, rules.policy, rules)


def _classes(trace: CacheTrace, read: Ints, written: Ints) -> Ints:
    fresh = trace.prompt_tokens - read - written
    return np.column_stack([fresh, read, written, np.zeros_like(fresh)])
