"""``llmops prices``: what a model costs and how it caches; whether our prices are sound."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish

__all__ = ["check", "register", "show"]

Day = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        "--on",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Day.",
        show_default="today",
    ),
]


def show(
    model: Annotated[str, typer.Argument(help="Model, or PROVIDER/MODEL.", show_default=False)],
    on: Day = None,
    provider: Annotated[
        str, typer.Option("--provider", metavar="NAME", help="Who serves it.", show_default=False)
    ] = "",
    service_tier: Annotated[
        str,
        typer.Option(
            "--service-tier",
            metavar="NAME",
            help="standard | batch | flex | fast | us | batch+us …",
        ),
    ] = "standard",
    *,
    shared: Shared,
) -> None:
    """Show what a model's tokens cost.

    By token class, dated, with sources, and the rules of its prompt cache.

    Prices are those of the installed genai-prices package and of our reviewed overlay; nothing
    is looked up on the network.
    """
    from llmops_cli.cli.price_reports import rates_report
    from llmops_cli.prices import PriceBook

    rates = PriceBook().rates(model, _day(on), provider=provider, service_tier=service_tier)
    finish(rates_report(rates), shared)


def check(on: Day = None, *, shared: Shared) -> None:
    """Check the price book.

    Every cache price against the multiple of input that its provider declares, and our own
    price rows against the installed package. Exit code 1 when something is off.
    """
    from llmops_cli.cli.price_reports import check_report
    from llmops_cli.prices import check_prices

    day = _day(on)
    finish(check_report(check_prices(day), day), shared)


def _day(on: datetime | None) -> date:
    return (on or datetime.now(tz=UTC)).date()


class _ShowsByDefault(TyperGroup):
    """``llmops prices MODEL`` is ``llmops prices show MODEL``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the left-out command in, in front of a model's name."""
        words = [word for word in args if not word.startswith("-")]
        if words and words[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        help="Show what a model costs and how it caches; check the price book.",
        cls=_ShowsByDefault,
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(
        group,
        "show",
        examples=(
            "llmops prices show claude-opus-5",
            "llmops prices show gpt-5.6 --date 2026-11-01",
        ),
    )(show)
    command(group, "check", examples=("llmops prices check --date 2026-11-01",))(check)
    app.add_typer(group, name="prices")
