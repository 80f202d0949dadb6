"""The facts of a log in words and tables."""

from collections.abc import Mapping, Sequence

from llmops_cli.audit.facts import Facts
from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.report import Column, Finding, Measure, Report, Table

__all__ = ["describe"]

_GAPS_SHOWN = 10
_WORDS = ("fresh input", "cache read", "write 5m", "write 1h", "output")


def describe(
    facts: Facts,
    *,
    inputs: Sequence[str],
    formats: Mapping[str, int],
    findings: Sequence[Finding],
) -> Report:
    """The report of ``llmops describe``."""
    return Report(
        command="describe",
        title="What this log holds",
        headline=_headline(facts),
        inputs=tuple(inputs),
        parameters={f"format.{name}": count for name, count in formats.items()},
        measures=_measures(facts),
        tables=(_models(facts), _fields(facts), *_gaps(facts)),
        findings=(*findings, *_findings(facts)),
    )


def _headline(facts: Facts) -> str:
    models = len(facts.models)
    when = f", {facts.first} to {facts.last}" if facts.first else ", without times"
    calls = "1 call" if facts.calls == 1 else f"{facts.calls:,} calls"
    return f"{calls} to {models} {'model' if models == 1 else 'models'}{when}."


def _measures(facts: Facts) -> tuple[Measure, ...]:
    counts = (
        ("calls", facts.calls),
        ("errors", facts.errors),
        ("conversations", facts.conversations),
        ("users", facts.users),
    )
    fresh, *cached, output = zip(TOKEN_CLASSES, facts.tokens, strict=True)
    tokens = (fresh, output, *cached)
    return (
        *(Measure(name=name, value=value, unit="count", method="count") for name, value in counts),
        Measure(name="span", value=facts.span_s, unit="s", method="last start - first start"),
        *(Measure(name=name, value=value, unit="tokens", method="sum") for name, value in tokens),
        Measure(name="isolation_domains", value=facts.domains, unit="count", method="count"),
    )


def _models(facts: Facts) -> Table:
    return Table(
        name="models",
        title="Models",
        columns=(
            Column(name="provider", label="provider"),
            Column(name="model", label="model"),
            Column(name="calls", label="calls", unit="count"),
            Column(name="errors", label="errors", unit="count"),
            *(
                Column(name=name, label=word, unit="tokens")
                for name, word in zip(TOKEN_CLASSES, _WORDS, strict=True)
            ),
        ),
        rows=tuple(
            (row.provider, row.model, row.calls, row.errors, *row.tokens) for row in facts.models
        ),
        note="tokens by class; the classes are disjoint and add up",
    )


def _fields(facts: Facts) -> Table:
    return Table(
        name="fields",
        title="What the calls carry",
        columns=(
            Column(name="field", label="field"),
            Column(name="share", label="share of calls", unit="share"),
        ),
        rows=facts.present,
    )


def _gaps(facts: Facts) -> tuple[Table, ...]:
    if not facts.gaps:
        return ()
    left = len(facts.gaps) - _GAPS_SHOWN
    return (
        Table(
            name="gaps",
            title="Silences of an hour or more",
            columns=(
                Column(name="after", label="after"),
                Column(name="length_s", label="length", unit="s"),
            ),
            rows=facts.gaps[:_GAPS_SHOWN],
            note=f"the longest first; {left} more" if left > 0 else "the longest first",
        ),
    )


def _findings(facts: Facts) -> tuple[Finding, ...]:
    if not facts.estimated:
        return ()
    return (
        Finding(
            slug="calls-tokens-estimated",
            severity="warning",
            message=f"{facts.estimated:,} calls carry no usage: their tokens are estimated at "
            "one per four bytes of prompt",
            hint="log the response's usage; money is computed from it",
            count=facts.estimated,
        ),
    )
