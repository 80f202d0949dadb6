"""The whole computation: a calls table in, every figure of the report out, no words yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.billing import elsewhere, used_tokens
from llmops_cli.cache.bounds import LEAST, lower_bounds
from llmops_cli.cache.columns import numbers, rows_of, texts, told_apart
from llmops_cli.cache.compiled import compiled
from llmops_cli.cache.evidence import Evidence, Replayed, gather, widened
from llmops_cli.cache.invoice import Reconciliation, reconcile
from llmops_cli.cache.leaks import Leak
from llmops_cli.cache.model import (
    AS_LOGGED,
    AUTOMATIC_1H,
    AUTOMATIC_5M,
    NONE,
    CacheParameters,
)
from llmops_cli.cache.outcome import Outcome
from llmops_cli.cache.prompt_blocks import CompactCalls
from llmops_cli.cache.providers import Crossing, Setting, asked_for, cross
from llmops_cli.cache.replays import outcomes_of, plans_of
from llmops_cli.cache.rules import CacheRules, load_rules
from llmops_cli.cache.select import EPOCH, Exclusion, Selection, select
from llmops_cli.cache.spend import CallPrices, Priced, price_calls
from llmops_cli.cache.token_anchors import anchor
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import CallsTable
from llmops_cli.engine.memory import return_unused
from llmops_cli.prices import PriceBook
from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums

__all__ = ["Estimate", "Outcome", "estimate_calls"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Every figure; outcomes are in the order of ``trace``, ``models`` as well."""

    given: CacheParameters
    rules: CacheRules
    trace: CacheTrace
    models: npt.NDArray[np.object_]
    prices: CallPrices
    outcomes: Mapping[str, Outcome]
    bounds: Mapping[str, float]
    target: str
    saving: Measure
    evidence: Evidence
    billed: Outcome | None
    elsewhere: pd.DataFrame
    exclusions: tuple[Exclusion, ...]
    facts: Mapping[str, int]
    crossings: tuple[Crossing, ...] = ()
    reconciliation: Reconciliation | None = None

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What the target does not read, and what the bill did not, by reason."""
        return self.evidence.leaks

    @property
    def least_usd(self) -> float:
        """The input spend that no policy can undercut (LB3)."""
        return self.bounds[LEAST]

    @property
    def baseline(self) -> str:
        """What the saving is measured against: the logged markers, or for those no caching."""
        return NONE if self.target == AS_LOGGED else AS_LOGGED


def estimate_calls(
    calls: CallsTable | CompactCalls,
    given: CacheParameters,
    book: PriceBook,
    *,
    jobs: int = 1,
) -> Estimate:
    """Compile, replay every policy, price, bound and compare.

    Args:
        calls: the calls table.
        given: the question.
        book: where prices come from.
        jobs: worker processes.

    Raises:
        LlmopsError: ``cache-nothing-to-replay`` and what selection, prices and rules refuse.
    """
    rules, asked = load_rules(), asked_for(given.providers, given.assume)
    log = CompactCalls.of(calls)
    calls, prompts = log.calls.reset_index(drop=True), log.prompts
    chosen = select(calls, given, book, np.diff(prompts.offsets) > 0)
    _require_prices(chosen, book)
    read, exclusions = compiled(calls, prompts, chosen, (rules, given))
    rows = rows_of(calls, read.row)
    counts, counted = used_tokens(rows), numbers(rows, "tokens_estimated", 1) == 0
    anchors = anchor(read, counts, counted, rules)
    trace = anchors.trace
    prices = _prices(calls, chosen, trace.row, trace.prompt_tokens, book)
    plans = plans_of(trace, rules, prices, given)
    outcomes = outcomes_of(trace, plans, (counts[:, 4], prices), jobs=jobs)
    return_unused()
    bounds = lower_bounds(trace, prices.per_token, rules)
    target = given.policy or min(
        (NONE, AUTOMATIC_5M, AUTOMATIC_1H), key=lambda name: outcomes[name].input_usd
    )
    baseline = NONE if target == AS_LOGGED else AS_LOGGED
    done = Replayed(
        calls=calls,
        prompts=prompts,
        anchors=anchors,
        models=chosen.model[trace.row],
        plans={name: plans[name] for name in (target, baseline)},
        tokens={name: outcomes[name].tokens for name in (AS_LOGGED, target, baseline)},
        spends={name: outcome.input_usd_by_call for name, outcome in outcomes.items()},
        billed=counts,
        per_token=prices.per_token,
        target=target,
        baseline=baseline,
        rules=rules,
        given=given,
    )
    saving = _saving(outcomes[target], outcomes[baseline], trace.conversation, given)
    billed = _billed(calls, trace, prices)
    others = elsewhere(calls, chosen, book)
    del plans
    return_unused()  # a long log's evidence takes most memory of all
    return Estimate(
        given=given,
        rules=rules,
        trace=trace,
        models=done.models,
        prices=prices,
        outcomes=outcomes,
        bounds=bounds,
        target=target,
        saving=widened(saving, done),
        evidence=gather(done),
        billed=billed,
        elsewhere=others,
        exclusions=exclusions,
        facts=_facts(calls, trace),
        crossings=tuple(cross(trace, asked, _setting(given, chosen, trace), book)),
        reconciliation=_reconciled(given, billed or outcomes[AS_LOGGED], others),
    )


def _reconciled(
    given: CacheParameters, paid: Outcome, others: pd.DataFrame
) -> Reconciliation | None:
    if given.invoice_usd is None:
        return None
    other = float(np.nansum(others["usd"].to_numpy(dtype=np.float64)))
    return reconcile(given.invoice_usd, float(paid.usd.sum()) + other)


def _setting(given: CacheParameters, chosen: Selection, trace: CacheTrace) -> Setting:
    return Setting(chosen.day[trace.row], given.kv_tokens, given.seed)


def _require_prices(chosen: Selection, book: PriceBook) -> None:
    # An unknown model is refused by the price book before the rules wonder about it.
    rows = np.flatnonzero(chosen.replay)
    code, models = told_apart(chosen.model[rows])
    first = {str(model): rows[int((code == at).argmax())] for at, model in enumerate(models)}
    for model, row in sorted(first.items()):
        day = date.fromordinal(EPOCH.toordinal() + int(chosen.day[row]))
        book.rates(model, day, provider=str(chosen.provider[row]))


def _prices(
    calls: CallsTable, chosen: Selection, rows: Ints, prompt_tokens: Ints, book: PriceBook
) -> CallPrices:
    what = Priced(
        chosen.model[rows],
        chosen.provider[rows],
        chosen.day[rows],
        texts(calls, "service_tier")[rows],
    )
    return price_calls(what, prompt_tokens, book)


def _saving(
    policy: Outcome, baseline: Outcome, conversation: Ints, given: CacheParameters
) -> Measure:
    spends = np.column_stack([policy.input_usd_by_call, baseline.input_usd_by_call])
    sums = cluster_sums(spends, conversation)
    total = sums.sum(axis=0)
    value = float(1 - total[0] / total[1]) if total[1] > 0 else 0.0
    low, high, method = -1.0, 1.0, "a single conversation: nothing to resample"
    if len(sums) > 1:
        ratio = bootstrap_ratio(sums, level=given.level, seed=given.seed)
        low, high = 1 - ratio.high, 1 - ratio.low
        method = "cluster bootstrap over conversations"
    return Measure(
        name="saving",
        value=value,
        unit="share",
        low=low,
        high=high,
        level=given.level,
        n=len(sums),
        method=method,
        label="input spend saved",
    )


def _billed(calls: CallsTable, trace: CacheTrace, prices: CallPrices) -> Outcome | None:
    rows = rows_of(calls, trace.row)
    if (numbers(rows, "tokens_estimated", 1) > 0).any():
        return None
    tokens = used_tokens(rows)
    return Outcome(tokens[:, :4], tokens[:, 4], prices)


def _facts(calls: CallsTable, trace: CacheTrace) -> dict[str, int]:
    rows = rows_of(calls, trace.row)
    waits = np.isnan(numbers(rows, "ttft_s", np.nan)) & np.isnan(
        numbers(rows, "duration_s", np.nan)
    )
    return {
        "calls": len(calls),
        "replayed": trace.calls,
        "estimated": int((numbers(rows, "tokens_estimated", 1) > 0).sum()),
        "unnamed": int((texts(rows, "conversation_id") == "").sum()),
        "untimed": int(waits.sum()),
        "batch": int((texts(rows, "service_tier") == "batch").sum()),
    }
