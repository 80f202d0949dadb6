"""Anthropic's cache rules as reviewed data (``rules.yaml``), and the minimum of a model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError

__all__ = ["CacheRules", "Minimum", "load_rules"]


@dataclass(frozen=True, slots=True)
class Minimum:
    """The shortest prefix a family of models caches, in tokens (rule R10)."""

    models: str
    tokens: int
    source: str


@dataclass(frozen=True, slots=True)
class CacheRules:
    """One provider's rules; times in microseconds, as the trace counts them."""

    lookback: int
    maximum_breakpoints: int
    life_5m_us: int
    life_1h_us: int
    minimums: tuple[Minimum, ...]
    source: str

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


@cache
def load_rules() -> CacheRules:
    """The shipped rules."""
    import yaml  # noqa: PLC0415 - only a replay pays for the parser

    text = resources.files("llmops_cli.cache").joinpath("rules.yaml").read_text("utf-8")
    given = yaml.safe_load(text)
    return CacheRules(
        lookback=given["lookback_positions"],
        maximum_breakpoints=given["maximum_breakpoints"],
        life_5m_us=given["lifetime_s"]["5m"] * 1_000_000,
        life_1h_us=given["lifetime_s"]["1h"] * 1_000_000,
        minimums=tuple(
            Minimum(row["models"], row["tokens"], row["source"]) for row in given["minimum_tokens"]
        ),
        source=given["source"],
    )
