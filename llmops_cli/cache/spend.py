"""Tokens of calls to USD: each call at the rates of its model, day, prompt length and tier."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.columns import told_apart
from llmops_cli.cache.select import EPOCH
from llmops_cli.errors import LlmopsError
from llmops_cli.prices import CLASSES, PriceBook, Rates

__all__ = ["CallPrices", "Priced", "price_calls"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What is to be priced, one entry per call: model, provider, day and service tier."""

    model: Texts
    provider: Texts
    day: Ints
    tier: Texts


@dataclass(frozen=True, slots=True, eq=False)
class CallPrices:
    """USD per token of each class and call, ``(n, 5)``; NaN where nobody publishes a price.

    ``rates`` are the distinct rates that ``group`` points into; ``untiered`` counts calls in
    service tiers without a price, which pay standard rates here.
    """

    per_token: Floats
    rates: tuple[Rates, ...]
    group: Ints
    untiered: int

    def usd(self, tokens: Ints) -> Floats:
        """Price ``(n, 5)`` tokens by class.

        Raises:
            LlmopsError: ``price-class-missing`` for tokens of a class that has no price.
        """
        missing = np.argwhere(np.isnan(self.per_token) & (tokens > 0))
        if len(missing):
            call, column = missing[0].tolist()
            raise self.rates[self.group[call]].without_price(CLASSES[column])
        return tokens * np.nan_to_num(self.per_token)


def price_calls(what: Priced, prompt_tokens: Ints, book: PriceBook) -> CallPrices:
    """Resolve each distinct (model, provider, day, tier) once and spread it over its calls.

    Args:
        what: model, provider, day (days since 1970-01-01) and service tier of each call.
        prompt_tokens: all input tokens of each call; long prompts may cost more.
        book: where rates come from.

    Raises:
        LlmopsError: ``price-unknown-model``.
    """
    group, first = _groups(what)
    resolved = [
        _rates(book, what.model[row], what.provider[row], int(what.day[row]), what.tier[row])
        for row in first
    ]
    per_token = np.full((len(group), len(CLASSES)), np.nan)
    for number, (rates, _) in enumerate(resolved):
        mine = group == number
        per_token[mine] = rates.per_token(prompt_tokens[mine])
    plain = np.array([fallback for _, fallback in resolved], dtype=np.bool_)
    return CallPrices(
        per_token,
        tuple(rates for rates, _ in resolved),
        group.astype(np.int64),
        int(plain[group].sum()),
    )


def _groups(what: Priced) -> tuple[Ints, list[int]]:
    """A number for each distinct entry, by first appearance, and where each of them appears."""
    group = np.zeros(len(what.day), np.int64)
    for column in (what.model, what.provider, what.day, what.tier):
        code, names = told_apart(column)
        group = pd.factorize(group * max(len(names), 1) + code)[0].astype(np.int64)
    return group, np.unique(group, return_index=True)[1].tolist()


def _rates(book: PriceBook, model: str, provider: str, day: int, tier: str) -> tuple[Rates, bool]:
    on = date.fromordinal(EPOCH.toordinal() + day)
    try:
        return book.rates(model, on, provider=provider, service_tier=tier), False
    except LlmopsError as error:
        if error.slug != "price-unknown-tier":
            raise
        return book.rates(model, on, provider=provider), True
