"""Cache rules of every provider as reviewed data (``rules.yaml``), and a model's minimum."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.yaml_text import shipped_yaml

__all__ = ["CacheRules", "Knob", "Minimum", "load_rules", "provider_names", "provider_rules"]

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Minimum:
    """The shortest prefix a family of models caches, in tokens (rule R10)."""

    models: str
    tokens: int
    source: str
    checked_on: date = date.min


@dataclass(frozen=True, slots=True)
class Knob:
    """A behaviour that nobody documents: what is assumed, and why it had to be.

    ``given`` where the user has set it.
    """

    name: str
    default: str | int
    why: str
    given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """One provider's rules; times in microseconds, as the trace counts them.

    ``life_5m_us`` is the default lifetime whatever its length, ``life_1h_us`` the long one
    where there is one; ``step_tokens`` what cached lengths are rounded down to. Of one prefix
    a machine takes ``overflow_per_minute`` requests (0: all); reads fail at ``miss_rate``.
    """

    name: str
    label: str
    mechanism: str
    isolation: str
    reports: str
    renews: str
    source: str
    checked_on: date
    minimums: tuple[Minimum, ...]
    lookback: int = 1
    maximum_breakpoints: int = 4
    first_looked_up: int = 0
    latest_looked_up: int = 0
    step_tokens: int = 1
    overflow_per_minute: int = 0
    miss_rate: float = 0.0
    life_5m_us: int = 0
    life_1h_us: int = 0
    models: str = ""
    drops_thinking: str = ""
    policy: str = ""
    priced_as: str = ""
    prices_of: str = ""
    rate_limited: tuple[str, ...] = ()
    storage: tuple[tuple[str, float], ...] = ()
    hidden_tool_tokens: tuple[tuple[str, int, int], ...] = ()
    knobs: Mapping[str, Knob] = field(default_factory=dict[str, Knob])

    def minimum(self, model: str) -> Minimum:
        """The row that holds for a model.

        Raises:
            LlmopsError: ``cache-unknown-minimum`` when no row speaks about the model.
        """
        for row in self.minimums:
            if re.search(row.models, model.lower()):
                return row
        raise LlmopsError(
            "cache-unknown-minimum",
            f"the shortest prompt that '{model}' caches is not published",
            hint="give it with --minimum-tokens N; other recent models use 512 to 4096",
            field="model",
        )

    def minimum_tokens(self, models: Iterable[str], override: int | None) -> npt.NDArray[np.int64]:
        """The minimum of each model in order, or the override for all of them."""
        return np.array(
            [self.minimum(model).tokens if override is None else override for model in models],
            dtype=np.int64,
        )

    def serve(self, model: str) -> bool:
        """Whether a model is cached by these rules."""
        return re.search(self.models, model.lower()) is not None

    def drops(self, model: str) -> bool:
        """R13: whether a model drops the thinking before the user's last turn."""
        return bool(self.drops_thinking) and re.search(self.drops_thinking, model) is not None

    def storage_usd(self, model: str) -> float:
        """USD per million tokens and hour that an object of this model is stored for."""
        return next((usd for models, usd in self.storage if re.search(models, model)), 0.0)

    def hidden_tokens(self, model: str, *, forced: bool = False) -> int:
        """R22: what a request with tools adds to its prompt; ``forced`` for tool choice any."""
        for models, auto, forced_tokens in self.hidden_tool_tokens:
            if re.search(models, model):
                return forced_tokens if forced else auto
        return 0


def load_rules() -> CacheRules:
    """Anthropic's own."""
    return provider_rules("anthropic")


def provider_names() -> tuple[str, ...]:
    """Every provider of the shipped file, in file order."""
    return tuple(_shipped())


def provider_rules(name: str) -> CacheRules:
    """The rules of one provider.

    Raises:
        LlmopsError: ``cache-unknown-provider``, with the close names.
    """
    known = _shipped()
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.4)
        raise LlmopsError(
            "cache-unknown-provider",
            f"no cache rules are known for the provider '{name}'",
            hint=f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}, or all",
            exit_code=ExitCode.USAGE,
        )
    return known[name]


@cache
def _shipped() -> Mapping[str, CacheRules]:
    found = shipped_yaml("cache", "rules.yaml")["providers"]
    return {name: _rules(name, row) for name, row in found.items()}


def _rules(name: str, row: Mapping[str, Any]) -> CacheRules:
    lifetime = row.get("lifetime_s", {})
    plain = ("label", "mechanism", "isolation", "reports", "renews", "source", "checked_on")
    optional = ("maximum_breakpoints", "first_looked_up", "latest_looked_up", "step_tokens")
    names = ("models", "drops_thinking", "policy", "priced_as", "prices_of")
    return CacheRules(
        name=name,
        minimums=_minimums(row),
        lookback=row.get("lookback_positions", 1),
        life_5m_us=lifetime.get("default", 0) * _US,
        life_1h_us=lifetime.get("long", 0) * _US,
        rate_limited=tuple(row.get("rate_limited", ())),
        storage=tuple((item["models"], item["usd"]) for item in row.get("storage", ())),
        hidden_tool_tokens=tuple(
            (item["models"], item["auto"], item["any"])
            for item in row.get("hidden_tool_tokens", ())
        ),
        knobs={
            knob: Knob(knob, said["default"], said["why"])
            for knob, said in row.get("knobs", {}).items()
        },
        **{key: row[key] for key in plain},
        **{key: row[key] for key in (*optional, *names) if key in row},
    )


def _minimums(row: Mapping[str, Any]) -> tuple[Minimum, ...]:
    given = row["minimum_tokens"]
    if isinstance(given, int):
        return (Minimum("", given, row["source"], row["checked_on"]),)
    return tuple(
        Minimum(item["models"], item["tokens"], item["source"], item["checked_on"])
        for item in given
    )
