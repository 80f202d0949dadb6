"""What calls cost, by their tokens and the price book, and the guardrail of it.

The ceiling is a ratio: mean cost of a request on the new version over that on the old one.
"""

from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.calls import TOKEN_CLASSES, CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.prices import PriceBook, Rates
from llmops_cli.rollout.model import COST, Guardrail
from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.ratio_metric import ratio_metric

__all__ = ["SKEW_SAMPLE", "cost_guardrail", "costs_usd", "least_for_skew"]

SKEW_SAMPLE = 25.0
"""Requests per squared skewness before a mean is nearly normal: Cochran (1977), section 2.15."""

_LEAST = 30
_LEAST_VARIANCE = 0.01**2
_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def costs_usd(calls: CallsTable) -> Floats:
    """``(N,)`` USD of each call at the prices of its model and day; NaN where tokens are unknown.

    Raises:
        LlmopsError: ``price-unknown-model``, ``price-unknown-tier``, ``price-class-missing``.
    """
    tokens = np.column_stack(
        [calls[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in TOKEN_CLASSES]
    )
    model = calls["response_model"].fillna(calls["request_model"])
    # What a client counted itself is no bill, and a call that names no model has no price.
    guessed = calls["tokens_estimated"].fillna(value=False).to_numpy(dtype=bool)
    known = np.isfinite(tokens).any(axis=1) & model.notna().to_numpy(dtype=bool) & ~guessed
    known &= calls["start_time"].notna().to_numpy(dtype=bool)
    usd, whole = np.full(len(calls), np.nan), np.nan_to_num(tokens).astype(np.int64)
    some = calls[known]
    days = some["start_time"].astype("int64[pyarrow]").to_numpy(dtype=np.int64) // _DAY_US
    keys = pd.MultiIndex.from_arrays(
        [model[known], some["provider_name"].fillna(""), some["service_tier"].fillna(""), days]
    )
    group, names = pd.factorize(keys)
    rows, book = np.flatnonzero(known), PriceBook()
    for number, (name, provider, tier, day) in enumerate(names):
        mine = rows[group == number]
        usd[mine] = _rates(book, name, provider, tier, int(day)).usd(whole[mine]).sum(axis=1)
    return usd


def _rates(book: PriceBook, model: str, provider: str, tier: str, day: int) -> Rates:
    try:
        on = _EPOCH + timedelta(days=day)
        return book.rates(model, on, provider=provider, service_tier=tier)
    except LlmopsError as error:
        raise LlmopsError(
            error.slug,
            f"{error.message}, so cost cannot be guarded",
            hint="leave out --cost-margin, or give sums with the metric cost",
            field=error.field,
            exit_code=ExitCode.BAD_INPUT,
        ) from error


def cost_guardrail(
    usd: Floats, codes: Codes, ratio: float, level: float
) -> tuple[Guardrail, tuple[float, float], int]:
    """The guardrail of a log's costs, the interval of the mean in USD, and calls that carry it.

    Args:
        usd: ``(N,)`` cost of each call; NaN where unknown.
        codes: ``(N,)`` user of each call, -1 where unknown.
        ratio: of mean costs, that matters.
        level: two-sided confidence of the interval.

    Raises:
        LlmopsError: ``rollout-no-cost``, ``rollout-few-cost``.
    """
    known = np.isfinite(usd)
    values, n = usd[known], int(known.sum())
    mean = float(values.mean()) if n else 0.0
    if n == 0 or mean <= 0:
        raise _refusal("rollout-no-cost", "no call has tokens that cost anything")
    if n < _LEAST:
        reason = f"only {n} of {len(usd):,} calls have tokens and a model"
        raise _refusal("rollout-few-cost", reason, ExitCode.INCONCLUSIVE)
    told = values / mean
    # Requests that all cost the same today will not do so for ever.
    variance = max(float(told.var(ddof=1)), _LEAST_VARIANCE)
    error = _error(told, codes[known])
    effect = max(1.0, error**2 * n / variance)
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    guardrail = Guardrail(
        name=COST,
        metric="cost of a request over its baseline mean",
        baseline=1.0,
        margin=ratio - 1,
        asked=ratio,
        variance=variance,
        variance_at_margin=ratio**2 * variance,
        design_effect=effect,
        coverage=n / len(usd),
        ratio=ratio,
        unit_usd=mean,
        least_requests=least_for_skew(told, effect),
    )
    return guardrail, (mean * max(0.0, 1 - reach), mean * (1 + reach)), n


def least_for_skew(values: Floats, effect: float) -> int:
    """Requests without which the mean of so lopsided values is far from normal."""
    spread = float(values.std())
    skewness = float(((values - values.mean()) ** 3).mean()) / spread**3 if spread > 0 else 0.0
    return max(_LEAST, round(SKEW_SAMPLE * skewness**2 * effect))


def _error(values: Floats, codes: Codes) -> float:
    """Of the mean, users whole: a ratio of sums over users; those unknown stand alone."""
    alone = codes < 0
    codes = np.where(alone, codes.max(initial=-1) + np.cumsum(alone), codes)
    _, dense = np.unique(codes, return_inverse=True)
    if dense.max(initial=0) < 1:
        return float(values.std(ddof=1) / np.sqrt(len(values)))
    sums = cluster_sums(np.column_stack([values, np.ones(len(values))]), dense.astype(np.int64))
    return ratio_metric(sums).error


def _refusal(slug: str, reason: str, code: ExitCode = ExitCode.BAD_INPUT) -> LlmopsError:
    return LlmopsError(
        slug,
        f"{reason}, so cost cannot be guarded",
        hint="log token usage and the model, or leave out --cost-margin",
        field="input_tokens",
        exit_code=code,
    )
