"""The question of a semantic cache from calls to report: replayed, priced, put into words."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.billing import billed_usd
from llmops_cli.cache.columns import texts
from llmops_cli.cache.select import EPOCH, days, served
from llmops_cli.cache.semantic import semantic_replay
from llmops_cli.cache.semantic_findings import semantic_findings
from llmops_cli.cache.semantic_model import SemanticParameters
from llmops_cli.cache.semantic_report import (
    semantic_checks,
    semantic_explanations,
    semantic_headline,
    semantic_measures,
)
from llmops_cli.cache.semantic_tables import semantic_tables
from llmops_cli.cache.spend import Priced
from llmops_cli.calls import CallsTable, require
from llmops_cli.prices import PriceBook
from llmops_cli.report import Finding, Report

__all__ = ["semantic_estimate"]


def semantic_estimate(
    calls: CallsTable,
    parameters: SemanticParameters | None = None,
    *,
    book: PriceBook | None = None,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Replay a cache of answers by the meaning of questions, and bound its false hits.

    Args:
        calls: the calls table with the prompts in a column ``content``, and the answers in it or
            in a column ``answer``; neither is put into the report.
        parameters: the bound on false hits, lifetime, how prompts are compared and priced.
        book: where prices come from; the installed price data when absent.
        inputs: what the report names as its input.
        findings: what reading the log found; shown with ours.

    Returns:
        A report whose main measure is the share of calls answered; its gate, where that is
        wanted, holds the upper bound of false hits against ``max_false_hit``.

    Raises:
        LlmopsError: ``calls-empty``, ``calls-missing-column``, ``semantic-no-content``,
            ``semantic-nothing-to-replay``, ``semantic-no-wordllama``, ``price-unknown-model``.
    """
    given = parameters or SemanticParameters()
    calls = calls.reset_index(drop=True)
    if len(calls):
        require(calls, "start_time")
    usd = _usd(calls, given, book or PriceBook())
    figures = semantic_replay(calls, given, None if np.isnan(usd).all() else usd)
    return Report(
        command="cache-estimate",
        title="What a semantic cache would answer",
        headline=semantic_headline(figures),
        inputs=tuple(inputs),
        parameters={
            "semantic": True,
            **asdict(given),
            "price_as": given.price_as or None,
            "on": given.on.isoformat() if given.on else None,
        },
        measures=semantic_measures(figures),
        checks=semantic_checks(figures) if given.gate else (),
        tables=semantic_tables(figures),
        findings=(*findings, *semantic_findings(figures)),
        explanations=semantic_explanations(figures),
    )


def _usd(calls: CallsTable, given: SemanticParameters, book: PriceBook) -> npt.NDArray[np.float64]:
    model, provider = served(calls)
    if given.price_as:
        seller = book.rates(given.price_as, given.on or EPOCH).provider
        model = np.full(len(calls), given.price_as, dtype=object)
        provider = np.full(len(calls), seller, dtype=object)
    tier = texts(calls, "service_tier")
    return billed_usd(calls, Priced(model, provider, days(calls, given.on), tier), book)
