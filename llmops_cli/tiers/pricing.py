"""What answers cost: from their tokens by the price book, or as the user says of a model."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.prices import PriceBook
from llmops_cli.report import Finding
from llmops_cli.tiers.model import usage_error
from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["idle_costs", "priced", "with_costs"]

Floats = npt.NDArray[np.float64]

_MOST_USD = 1e12
"""As of a cost in a file."""


def with_costs(outcomes: Outcomes, said: Mapping[str, float]) -> Outcomes:
    """Fill in the costs that no file names.

    Args:
        outcomes: with NaN where a cost is unknown.
        said: US dollars of one request, by model.

    Raises:
        LlmopsError: ``tiers-unknown-model``, ``tiers-bad-cost``.
    """
    cost = outcomes.cost_usd.copy()
    for name, usd in said.items():
        place = _place(outcomes, name)
        if not 0 <= usd <= _MOST_USD:
            raise usage_error("tiers-bad-cost", f"{usd:g} is no amount of USD", "0 or more")
        column = cost[:, place]
        column[np.isnan(column)] = usd
    return replace(outcomes, cost_usd=cost)


def idle_costs(outcomes: Outcomes, said: Mapping[str, float]) -> tuple[Finding, ...]:
    """A note where costs are said of a model whose costs are all known."""
    unknown = np.isnan(outcomes.cost_usd)
    return tuple(
        Finding(
            slug="tiers-cost-known",
            severity="note",
            message=f"what every answer of {name} costs is known: --cost changes nothing",
            field=name,
        )
        for place, name in enumerate(outcomes.models)
        if name in said and not unknown[:, place].any()
    )


def _place(outcomes: Outcomes, name: str) -> int:
    if name not in outcomes.models:
        names = ", ".join(outcomes.models)
        raise usage_error("tiers-unknown-model", f"there is no model '{name}'", f"of: {names}")
    return outcomes.models.index(name)


def priced(
    outcomes: Outcomes,
    tokens: Floats | None,
    names: Mapping[str, str],
    on: date,
    apart: Collection[str] = (),
) -> Outcomes:
    """Compute costs from tokens; cached ones at their own price.

    Args:
        outcomes: whose costs are replaced.
        tokens: ``(n, m, 5)`` by class of the price book; NaN where unknown.
        names: in the price book, by our name, where they differ.
        on: day of the prices.
        apart: models whose costs stay as they are.

    Raises:
        LlmopsError: ``tiers-no-tokens``, ``tiers-unknown-model``, ``price-unknown-model``,
            ``price-class-missing``.
    """
    if tokens is None:
        raise LlmopsError(
            "tiers-no-tokens",
            "there are no tokens to price",
            hint="columns model|input_tokens and model|output_tokens, and model|cache_read_tokens "
            "where some were cached",
            field="input_tokens",
        )
    for name in names:
        _place(outcomes, name)
    book, cost = PriceBook(), np.full(outcomes.cost_usd.shape, np.nan)
    for place, name in enumerate(outcomes.models):
        if name in apart:
            cost[:, place] = outcomes.cost_usd[:, place]
            continue
        rates = book.rates(names.get(name, name), on)
        known = ~np.isnan(tokens[:, place]).any(axis=1)
        cost[known, place] = rates.usd(tokens[known, place].astype(np.int64)).sum(axis=1)
    return replace(outcomes, cost_usd=cost)
