"""The comparison of providers as a table of the report."""

from collections.abc import Iterable

from llmops_cli.cache.providers import Crossing
from llmops_cli.report import Column, Scalar, Table

__all__ = ["crossing_table"]


def crossing_table(crossings: Iterable[Crossing]) -> Table:
    """Tokens by class and USD of the same traffic at each provider."""
    names = (("fresh", "fresh"), ("read", "read"), ("written", "written"))
    return Table(
        name="providers",
        title="The same traffic at other providers, by their rules and prices",
        columns=(
            Column(name="provider", label="provider"),
            Column(name="model", label="priced as"),
            *(Column(name=f"{name}_tokens", label=label, unit="tokens") for name, label in names),
            Column(name="storage_usd", label="storage", unit="usd"),
            Column(name="input_usd", label="input", unit="usd"),
            Column(name="of_uncached", label="of uncached", unit="share"),
        ),
        rows=tuple(_row(crossing) for crossing in crossings),
        note="token counts of the log; a dash: a server of one's own has no price per token",
    )


def _row(crossing: Crossing) -> tuple[Scalar, ...]:
    fresh, read, written, long = crossing.tokens.sum(axis=0).tolist()
    usd, uncached = crossing.input_usd, crossing.uncached_usd
    return (
        crossing.rules.label,
        crossing.model or None,
        fresh,
        read,
        written + long,
        crossing.extra_usd or None,
        usd,
        usd / uncached if usd is not None and uncached else None,
    )
