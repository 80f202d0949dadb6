"""What a rate is, and the arithmetic from tokens to USD; where rates come from is elsewhere."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError

__all__ = ["CLASSES", "ClassPrices", "Rates"]

CLASSES: tuple[str, ...] = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The disjoint token classes in the column order of every token and USD array."""

_PER = 1e6

Tokens = npt.NDArray[np.int64]
Usd = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassPrices:
    """USD per million tokens of each disjoint class; None where nobody publishes a price."""

    input: float | None = None
    cache_read: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    output: float | None = None


@dataclass(frozen=True, slots=True)
class Rates(ClassPrices):
    """The rates of one model on one day.

    ``long_prompts`` are ``(threshold, prices)`` in ascending order: a prompt of more than
    ``threshold`` tokens, cached ones included, pays those prices for **all** its tokens.
    ``sources`` says for each priced class where its price comes from.
    """

    model: str = ""
    provider: str = ""
    on: date = date.min
    service_tier: str = "standard"
    long_prompts: tuple[tuple[int, ClassPrices], ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    def matrix(self) -> Usd:
        """``(1 + tiers, 5)`` USD per million tokens, NaN where there is no price."""
        rows = [tuple(getattr(self, name) for name in CLASSES)]
        rows += [astuple(prices) for _, prices in self.long_prompts]
        return np.array(
            [[np.nan if value is None else value for value in row] for row in rows], dtype=float
        )

    def per_token(self, prompt_tokens: Tokens) -> Usd:
        """USD per token of each class for prompts of the given total lengths: ``(n, 5)``."""
        starts = np.array([start for start, _ in self.long_prompts], dtype=np.int64)
        tier = np.searchsorted(starts, prompt_tokens, side="left")
        return self.matrix()[tier] / _PER

    def usd(self, tokens: Tokens) -> Usd:
        """Price ``(n, 5)`` tokens by class; a zero count of an unpriced class costs nothing.

        Raises:
            LlmopsError: ``price-class-missing`` when tokens of a class without a price occur.
        """
        prompt = tokens[:, :4].sum(axis=1)
        prices = self.per_token(prompt)
        missing = np.isnan(prices) & (tokens > 0)
        if missing.any():
            raise self.without_price(CLASSES[int(np.argmax(missing.any(axis=0)))])
        return np.where(tokens > 0, tokens * np.nan_to_num(prices), 0.0)

    def without_price(self, name: str) -> LlmopsError:
        """The refusal for a class that nobody prices for this model."""
        return LlmopsError(
            "price-class-missing",
            f"{self.model} has no price for {name.replace('_', ' ')} tokens on {self.on}",
            hint="price the traffic as another model with --price-as MODEL, "
            "or as of another day with --on DATE",
        )
