"""``llmops prices``: what a model costs on a day, by token class, and where that comes from."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish

if TYPE_CHECKING:
    from llmops_cli.prices import ClassPrices, Rates
    from llmops_cli.report import Report, Scalar

__all__ = ["prices", "register"]


def prices(
    model: Annotated[str, typer.Argument(help="Model, or PROVIDER/MODEL.", show_default=False)],
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on", formats=["%Y-%m-%d"], metavar="DATE", help="Day.", show_default="today"
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option("--provider", metavar="NAME", help="Who serves it.", show_default=False)
    ] = "",
    service_tier: Annotated[
        str, typer.Option("--service-tier", metavar="NAME", help="standard | batch | flex …")
    ] = "standard",
    *,
    shared: Shared,
) -> None:
    """Show what a model's tokens cost.

    By token class, dated, with sources.

    Prices are those of the installed genai-prices package and of our reviewed overlay; nothing
    is looked up on the network.
    """
    from llmops_cli.prices import PriceBook

    day = (on or datetime.now(tz=UTC)).date()
    rates = PriceBook().rates(model, day, provider=provider, service_tier=service_tier)
    finish(_report(rates), shared)


def _report(rates: "Rates") -> "Report":
    from llmops_cli.report import Column, Report, Table

    tiers = (("any" if not rates.long_prompts else _up_to(rates), rates), *_long(rates))
    rows = tuple(row for label, table in tiers for row in _rows(label, table, rates))
    known = f"${rates.input:g} per million input tokens" if rates.input is not None else "by class"
    return Report(
        command="prices",
        title="Price by token class",
        headline=f"{rates.model} by {rates.provider} on {rates.on}: {known}.",
        parameters={
            "model": rates.model,
            "provider": rates.provider,
            "on": rates.on.isoformat(),
            "service_tier": rates.service_tier,
        },
        tables=(
            Table(
                name="rates",
                title="USD per million tokens",
                columns=(
                    Column(name="prompt", label="prompt"),
                    Column(name="class", label="class"),
                    Column(name="usd_per_mtok", label="price", unit="usd"),
                    Column(name="of_input", label="of input", unit="ratio"),
                    Column(name="source", label="source"),
                ),
                rows=rows,
            ),
        ),
    )


def _up_to(rates: "Rates") -> str:
    return f"up to {rates.long_prompts[0][0]:,}"


def _long(rates: "Rates") -> "Iterable[tuple[str, ClassPrices]]":
    return ((f"over {start:,}", table) for start, table in rates.long_prompts)


def _rows(label: str, table: "ClassPrices", rates: "Rates") -> "Iterable[tuple[Scalar, ...]]":
    from llmops_cli.prices import CLASSES

    for name in CLASSES:
        price: float | None = getattr(table, name)
        ratio = price / table.input if price is not None and table.input else None
        yield label, name.replace("_", " "), price, ratio, rates.sources.get(name, "no price known")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "prices",
        examples=("llmops prices claude-opus-5", "llmops prices gpt-5.6 --on 2026-11-01"),
    )(prices)
