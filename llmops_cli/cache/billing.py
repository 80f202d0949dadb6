"""What the usage that the log carries is worth in USD, call by call, whoever served it."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.columns import numbers, texts
from llmops_cli.cache.select import Selection
from llmops_cli.cache.spend import Priced, price_calls
from llmops_cli.calls import TOKEN_CLASSES, CallsTable
from llmops_cli.errors import LlmopsError
from llmops_cli.prices import PriceBook

__all__ = ["billed_usd", "elsewhere", "used_tokens"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]

_SMALL = 1 << 27


def used_tokens(calls: CallsTable) -> Ints:
    """``(calls, 5)`` tokens by class as the log counts them, 0 where it does not."""
    found = np.empty((len(calls), len(TOKEN_CLASSES)), np.int64)
    for column, name in enumerate(TOKEN_CLASSES):
        found[:, column] = numbers(calls, name, 0)
    # A dozen of them still add up to no more than 32 bits hold.
    return found.astype(np.int32) if found.max(initial=0) <= _SMALL else found


def billed_usd(calls: CallsTable, what: Priced, book: PriceBook) -> Floats:
    """USD of each call, input and output; NaN where the log has no usage or nobody a price.

    Args:
        calls: the calls.
        what: model, provider, day and service tier of each of them.
        book: where prices come from.
    """
    usd = np.full(len(calls), np.nan)
    counted = numbers(calls, "tokens_estimated", 1) == 0
    tokens = used_tokens(calls)
    group = pd.factorize(pd.MultiIndex.from_arrays([what.provider, what.model]))[0]
    for number in range(int(group.max(initial=-1)) + 1):
        rows = np.flatnonzero((group == number) & counted)
        mine = Priced(what.model[rows], what.provider[rows], what.day[rows], what.tier[rows])
        try:
            prices = price_calls(mine, tokens[rows, :4].sum(axis=1), book)
            usd[rows] = prices.usd(tokens[rows]).sum(axis=1)
        except LlmopsError:
            continue
    return usd


def elsewhere(calls: CallsTable, chosen: Selection, book: PriceBook) -> pd.DataFrame:
    """Calls that cost money and are not replayed: usage and USD by provider and model.

    The USD of a model are NaN where nobody publishes its price.
    """
    usage = numbers(calls, "tokens_estimated", 1) == 0
    rows = np.flatnonzero(chosen.billable & ~chosen.replay & usage)
    mine = calls.iloc[rows]
    tier = texts(mine, "service_tier")
    what = Priced(chosen.model[rows], chosen.provider[rows], chosen.day[rows], tier)
    usd, tokens = billed_usd(mine, what, book), used_tokens(mine)
    group, names = pd.factorize(pd.MultiIndex.from_arrays([what.provider, what.model]))
    found: list[list[object]] = []
    for number, (provider, model) in enumerate(names):
        here = group == number
        counts = tokens[here].sum(axis=0)
        found.append([provider, model, int(here.sum()), *counts, float(usd[here].sum())])
    return pd.DataFrame(found, columns=["provider", "model", "calls", *TOKEN_CLASSES, "usd"])
