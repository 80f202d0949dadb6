"""The evidence in words: what agrees with the bill, what leaks, which prompt to change first."""

import numpy as np

from llmops_cli.cache.estimate import Estimate
from llmops_cli.cache.gates import baseline_check, hit_rate, hit_rate_check, unexplained_check
from llmops_cli.cache.identities import broken_identities
from llmops_cli.cache.leaks import REASONS, Leak
from llmops_cli.cache.truth import OUTCOMES
from llmops_cli.report import Check, Column, Finding, Measure, Scalar, Table

__all__ = [
    "checks",
    "findings",
    "leak_table",
    "measures",
    "tables",
    "target_hit_rate",
]

_APART = 0.02


def target_hit_rate(figures: Estimate, label: str) -> Measure:
    """The share of input that the policy reads, with its interval."""
    given = figures.given
    tokens = figures.outcomes[figures.target].tokens
    conversation = figures.trace.conversation
    return hit_rate(tokens, conversation, level=given.level, seed=given.seed, label=label)


def measures(figures: Estimate) -> tuple[Measure, ...]:
    """Unexplained misses, the saving with them, the error of tokens, the invoice, latency."""
    found = figures.evidence
    own = [found.unexplained, found.after_misses, _token_error(figures)]
    if found.truth is not None:
        own.append(
            Measure(
                name="replay_error",
                value=found.truth.token_error,
                unit="share",
                n=found.truth.calls,
                method="sum of |replayed - billed| reads over input, calls that cache",
                label="input on the wrong side of a read, replay against bill",
            )
        )
    if figures.reconciliation is not None:
        own.append(
            Measure(
                name="invoice_explained",
                value=figures.reconciliation.explained,
                unit="ratio",
                method="priced usage of the log over the invoice",
                label="invoice explained by the log",
            )
        )
    return (*(item for item in own if item is not None), *found.latency.measures)


def _token_error(figures: Estimate) -> Measure | None:
    error = figures.evidence.anchors.error
    if np.isnan(error.median):
        return None
    return Measure(
        name="token_error",
        value=error.median,
        unit="share",
        high=error.high,
        n=error.prefixes,
        method="median and 95 % relative error, conversations held out",
        label="error of a prefix's tokens between anchors",
    )


def checks(figures: Estimate, rate: Measure) -> tuple[Check, ...]:
    """The gates beyond the saving; ``rate`` is the hit rate of the policy."""
    given, found = figures.given, list[Check]()
    if given.min_hit_rate is not None:
        found.append(hit_rate_check(rate, given.min_hit_rate))
    if given.max_unexplained_miss is not None:
        unknown = Measure(name="unexplained_miss", value=None, low=0.0, high=1.0, unit="share")
        misses = figures.evidence.unexplained or unknown
        found.append(unexplained_check(misses, given.max_unexplained_miss))
    if given.max_regression is not None and given.baseline_saving is not None:
        found.append(baseline_check(figures.saving, given.baseline_saving, given.max_regression))
    return tuple(found)


def leak_table(figures: Estimate, label: str) -> Table:
    """The reasons of the target policy, and what the bill lacks, the most expensive first."""
    return Table(
        name="leaks",
        title=f"Repeated input still not read from the cache: {label}",
        columns=(
            Column(name="reason", label="reason"),
            Column(name="calls", label="calls", unit="count"),
            Column(name="tokens", label="tokens", unit="tokens"),
            Column(name="loss_usd", label="loss", unit="usd"),
            Column(name="where", label="where"),
            Column(name="change", label="the change"),
        ),
        rows=tuple(
            (
                REASONS[leak.reason].title,
                leak.calls,
                leak.tokens,
                leak.usd,
                _where(figures, leak),
                REASONS[leak.reason].change,
            )
            for leak in figures.leaks
        ),
        note="loss: what was paid beyond a cache read; entries that should have been there: as "
        "billed today",
    )


def _where(figures: Estimate, leak: Leak) -> str:
    if leak.block < 0:
        return ""
    place = f"{'' if leak.usual else 'e.g. '}block {leak.block + 1}, {leak.kind}"
    found = figures.evidence.differences.get(leak.reason)
    if found is None or found.block != leak.block:
        return place
    return f"{place}, character {found.character + 1}"


def tables(figures: Estimate) -> tuple[Table, ...]:
    """The prompts that lose something, and the replay against the bill where there is one."""
    prompts = _prompts(figures)
    lost = (prompts,) if prompts.rows else ()
    return (*lost, _confusion(figures)) if figures.evidence.truth else lost


def _prompts(figures: Estimate) -> Table:
    rows: list[tuple[Scalar, ...]] = [
        (
            figures.evidence.sources[item.first],
            item.calls,
            item.loss_usd,
            REASONS[item.reason].title if item.reason else "",
            item.change.words,
            item.change.saving_usd,
            item.input_usd,
            item.static_tokens,
        )
        for item in figures.evidence.prompts
        if item.loss_usd > 0
    ]
    return Table(
        name="prompts",
        title="Prompts by what they lose, and the one change to make",
        columns=(
            Column(name="first_seen", label="first seen"),
            Column(name="calls", label="calls", unit="count"),
            Column(name="loss_usd", label="loss", unit="usd"),
            Column(name="reason", label="mostly because"),
            Column(name="change", label="the change"),
            Column(name="saving_usd", label="saves", unit="usd"),
            Column(name="input_usd", label="input", unit="usd"),
            Column(name="static_tokens", label="static", unit="tokens"),
        ),
        rows=tuple(rows),
        note="one prompt: the same tools and system prompt (static), or a drifted copy; a mended "
        "one saves at most that much",
    )


def _confusion(figures: Estimate) -> Table:
    truth = figures.evidence.truth
    counts = truth.confusion.tolist() if truth else []
    return Table(
        name="truth",
        title="The replay of the logged markers against the bill, calls",
        columns=(
            Column(name="replayed", label="replayed"),
            *(
                Column(name=f"billed_{name}", label=f"billed: {name}", unit="count")
                for name in OUTCOMES
            ),
        ),
        rows=tuple((name, *row) for name, row in zip(OUTCOMES, counts, strict=True)),
        note="miss: nothing read; partial: read and written; hit: all that was marked read",
    )


def findings(figures: Estimate) -> tuple[Finding, ...]:
    """Rows that break an identity, minima that the log disputes, tokens and the invoice."""
    found = [*broken_identities(figures.evidence.identities), *_minimums(figures)]
    found += [*_conflicts(figures), *_invoice(figures)]
    return tuple(found)


def _minimums(figures: Estimate) -> list[Finding]:
    return [
        Finding(
            slug="cache-minimum-disputed",
            severity="warning",
            message=f"{item.model} is said to cache from {item.published:,} tokens; in this log "
            f"{item.below:,} marked tokens were not cached and {item.reached:,} were",
            hint="give what the model caches with --minimum-tokens N",
        )
        for item in figures.evidence.brackets
        if item.disagrees
    ]


def _conflicts(figures: Estimate) -> list[Finding]:
    conflicts = figures.evidence.anchors.conflicts
    if not conflicts:
        return []
    return [
        Finding(
            slug="cache-token-conflict",
            severity="note",
            message="prefixes have another length in the usage of another call: the middle counts",
            hint="tool choice, server tools and thinking change what a prompt counts (R13, R22)",
            count=conflicts,
        )
    ]


def _invoice(figures: Estimate) -> list[Finding]:
    found = figures.reconciliation
    if found is None or abs(found.explained - 1) <= _APART:
        return []
    more = "more" if found.difference_usd > 0 else "less"
    return [
        Finding(
            slug="cache-invoice-differs",
            severity="warning",
            message=f"the invoice of ${found.invoice_usd:,.2f} is "
            f"${abs(found.difference_usd):,.2f} {more} than the ${found.priced_usd:,.2f} that the "
            "log's usage is worth",
            hint=found.hint,
        )
    ]
