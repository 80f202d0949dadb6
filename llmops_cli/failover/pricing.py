"""Every request priced and rated at every deployment of the pool."""

from datetime import date

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.model import Member, Pool
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.worth import Worth, in_the_cold
from llmops_cli.prices import CLASSES, PriceBook, Rates

__all__ = ["worth_of"]

Floats = npt.NDArray[np.float64]


def worth_of(requests: Requests, pool: Pool) -> Worth:
    """Price and rate a log.

    Args:
        requests: with tokens; a log without any has no costs.
        pool: models by name in the price book, and quality by task class.

    Raises:
        LlmopsError: ``price-unknown-model``, ``price-class-missing``; ``failover-no-quality``
            where a deployment says nothing of a task class that others rate.
    """
    warm = cold = None
    if requests.tokens.any():
        rates = [_rates(member, requests.began.date()) for member in pool.members]
        chilly = in_the_cold(requests.tokens)
        warm = np.stack([_usd(each, requests.tokens) for each in rates], axis=1)
        cold = np.stack([_usd(each, chilly) for each in rates], axis=1)
    return Worth(warm, cold, _quality(requests, pool))


def _rates(member: Member, on: date) -> Rates:
    try:
        return PriceBook().rates(member.price_as or member.deployment.model, on)
    except LlmopsError as error:
        # The book speaks of options that this question has not; the pool names the price.
        raise LlmopsError(
            error.slug,
            f"'{member.deployment.name}': {error.message}",
            hint="'price_as: MODEL' in the deployment prices it as a model of your choice",
            field="deployments.price_as",
        ) from error


def _usd(rates: Rates, tokens: npt.NDArray[np.int64]) -> Floats:
    moved = tokens.copy()
    for place, name in enumerate(CLASSES):
        # A provider that has no price for a cached token knows no such token: it is input there.
        if name.startswith("cache_") and getattr(rates, name) is None:
            moved[:, 0] += moved[:, place]
            moved[:, place] = 0
    return rates.usd(moved).sum(axis=1)


def _quality(requests: Requests, pool: Pool) -> Floats | None:
    if not any(member.quality for member in pool.members):
        return None
    table = np.full((len(requests.tasks), len(pool.members)), np.nan)
    for column, member in enumerate(pool.members):
        for row, task in enumerate(requests.tasks):
            value = member.quality.get(task, member.quality.get(""))
            if value is None:
                named = f"task class '{task}'" if task else "requests without a task class"
                raise LlmopsError(
                    "failover-no-quality",
                    f"'{member.deployment.name}' has no quality for {named}",
                    hint="give every deployment one number, or every task class of the log",
                    field="deployments.quality",
                )
            table[row, column] = value
    return table[requests.task]
