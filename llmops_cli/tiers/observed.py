"""Calls of a log as outcomes: scored answers, priced by their tokens.

They stand side by side where the same prompt went to several models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import LlmopsError
from llmops_cli.prices import PriceBook
from llmops_cli.report import Finding
from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["Observed", "outcomes_of_calls"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Outcomes of a log, and what it lacks."""

    outcomes: Outcomes
    findings: tuple[Finding, ...]


def outcomes_of_calls(
    calls: CallsTable, price_as: Mapping[str, str], costs: Mapping[str, float]
) -> Observed:
    """Answers with a score become outcomes; a request is a prompt, by its block hashes.

    Args:
        calls: the calls table.
        price_as: names in the price book, by the log's own.
        costs: US dollars of one request, of models that are not in the price book.

    Raises:
        LlmopsError: ``tiers-no-scores``, ``tiers-score-scale``, ``calls-missing-column``,
            ``price-unknown-model``, ``price-unknown-tier``, ``price-class-missing``.
    """
    require(calls, "start_time")
    score = calls["evaluation_score"].to_numpy(dtype=np.float64, na_value=np.nan)
    named = calls["response_model"].fillna(calls["request_model"])
    used = ~np.isnan(score) & named.notna().to_numpy()
    if not used.any():
        raise LlmopsError(
            "tiers-no-scores",
            "no call has an evaluation score and a model",
            hint="log gen_ai.evaluation.result events, or give an outcome table",
            field="evaluation_score",
        )
    if (score[used] < 0).any() or (score[used] > 1).any():
        raise LlmopsError(
            "tiers-score-scale",
            "evaluation scores are not between 0 and 1",
            hint="bring them to 0 to 1 where they are logged",
            field="evaluation_score",
        )
    some = calls[used].reset_index(drop=True)
    left = int((~used).sum())
    found = _outcomes(some, score[used], named[used].to_numpy(dtype=np.object_), (price_as, costs))
    return Observed(found, _unscored(left, len(calls)))


def _unscored(left: int, calls: int) -> tuple[Finding, ...]:
    if not left:
        return ()
    return (
        Finding(
            slug="tiers-unscored",
            severity="warning",
            message=f"{left:,} of {calls:,} calls have no evaluation score: left out",
            hint="a random sample of scores is enough, a chosen one is not",
            field="evaluation_score",
            count=left,
        ),
    )


def _outcomes(
    calls: CallsTable,
    score: Floats,
    named: npt.NDArray[np.object_],
    of: tuple[Mapping[str, str], Mapping[str, float]],
) -> Outcomes:
    model, models = pd.factorize(named, sort=True)
    request = _requests(calls, model.astype(np.int64))
    n, first = int(request.max()) + 1, np.unique(request, return_index=True)[1]
    shape = (n, len(models))
    quality, cost, late = (np.full(shape, np.nan) for _ in range(3))
    quality[request, model] = score
    cost[request, model] = _costs(calls, named, of)
    late[request, model] = calls["duration_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    task, tasks = pd.factorize(calls["task"].fillna("all").to_numpy(dtype=np.object_)[first])
    alone = bool((np.bincount(request, minlength=n) == 1).all())
    return Outcomes(
        models=tuple(map(str, models)),
        quality=quality,
        cost_usd=cost,
        latency_s=None if np.isnan(late).all() else late,
        task=task.astype(np.int64),
        tasks=tuple(map(str, tasks)),
        cluster=_clusters(calls, first),
        chosen=model[first].astype(np.int64) if alone else None,
    )


def _requests(calls: CallsTable, model: Codes) -> Codes:
    """Calls with the same prompt are one request, once for every time a model saw it."""
    prompts = [
        bytes(hashes[-1]) if hashes is not None and len(hashes) else str(row).encode()
        for row, hashes in enumerate(calls["block_hashes"].tolist())
    ]
    prompt, _ = pd.factorize(np.array(prompts, dtype=np.object_))
    frame = pd.DataFrame({"prompt": prompt, "model": model})
    again = frame.groupby(["prompt", "model"], sort=False).cumcount().to_numpy()
    return pd.factorize(pd.MultiIndex.from_arrays([prompt, again]))[0].astype(np.int64)


def _clusters(calls: CallsTable, first: Codes) -> Codes:
    names = calls["conversation_id"].fillna("").to_numpy(dtype=np.object_)[first]
    own = [str(name) or f"\0{row}" for row, name in enumerate(names.tolist())]
    return pd.factorize(np.array(own, dtype=np.object_))[0].astype(np.int64)


def _costs(
    calls: CallsTable,
    named: npt.NDArray[np.object_],
    of: tuple[Mapping[str, str], Mapping[str, float]],
) -> Floats:
    """US dollars of every call at the prices of its own day, provider and service tier."""
    price_as, costs = of
    tokens = np.column_stack(
        [calls[name].to_numpy(np.float64, na_value=np.nan) for name in _TOKENS]
    )
    known = ~np.isnan(tokens[:, [0, -1]]).any(axis=1)
    whole = np.nan_to_num(tokens).astype(np.int64)
    day = calls["start_time"].dt.date.to_numpy()
    provider = calls["provider_name"].fillna("").to_numpy(dtype=np.object_)
    tier = calls["service_tier"].fillna("").to_numpy(dtype=np.object_)
    group, keys = pd.factorize(pd.MultiIndex.from_arrays([named, provider, day, tier]))
    book, found = PriceBook(), np.full(len(calls), np.nan)
    for number, key in enumerate(keys):
        mine = (group == number) & known
        if mine.any() and key[0] not in costs:
            found[mine] = _usd(book, key, price_as, whole[mine])
    return found


def _usd(
    book: PriceBook,
    key: tuple[str, str, date, str],
    price_as: Mapping[str, str],
    tokens: npt.NDArray[np.int64],
) -> Floats:
    name, provider, day, tier = key
    told = price_as.get(name, "")
    if pd.isna(day):
        raise LlmopsError(
            "tiers-no-day",
            "a call without a start time has no day to be priced on",
            hint="log start times, or give costs in an outcome table",
            field="start_time",
        )
    rates = book.rates(told or name, day, provider="" if told else provider, service_tier=tier)
    return rates.usd(tokens).sum(axis=1)
