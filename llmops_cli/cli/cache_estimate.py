"""``llmops cache-estimate``: what prompt caching saves on a log, and whether that is enough."""

from datetime import date, datetime
from typing import Annotated

import typer

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.show import finish

__all__ = ["cache_estimate", "register"]


def cache_estimate(
    paths: PathsArgument,
    *,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="none | as-logged | automatic-5m | automatic-1h.",
            show_default="the cheapest but as-logged",
        ),
    ] = "",
    min_saving: Annotated[
        float | None,
        typer.Option(
            "--min-saving",
            metavar="SHARE",
            help="Gate: share of input spend the policy must save against the logged markers.",
            show_default=False,
        ),
    ] = None,
    price_as: Annotated[
        str,
        typer.Option(
            "--price-as",
            "--model",
            metavar="MODEL",
            help="Replay and price every call as this Claude model.",
            show_default=False,
        ),
    ] = "",
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on",
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Price at the rates of this day instead of each call's own.",
            show_default=False,
        ),
    ] = None,
    minimum_tokens: Annotated[
        int | None,
        typer.Option(
            "--minimum-tokens",
            metavar="N",
            help="Shortest prompt the model caches, where it is not published or disputed.",
            show_default=False,
        ),
    ] = None,
    refresh: Annotated[
        str,
        typer.Option(
            "--refresh",
            metavar="hit|marked",
            help="What a read renews: the entry it hit, or every marked one on its way.",
        ),
    ] = "hit",
    logs: Logs,
    shared: Shared,
) -> None:
    """Say what prompt caching saves.

    What it saves, what is left, and what to change first.

    Replays the log block by block under Anthropic's written rules with the markers as logged,
    with automatic caching (5 minutes, 1 hour) and with none. The gate holds when the one-sided
    95 % lower bound of the saving reaches --min-saving.
    """
    from llmops_cli.cache import CacheParameters
    from llmops_cli.cache import cache_estimate as estimate

    parameters = CacheParameters(
        policy=policy,
        min_saving=min_saving,
        price_as=price_as,
        on=_day(on),
        minimum_tokens=minimum_tokens,
        refresh=refresh,
        seed=shared.seed,
    )
    traffic = read_logs(paths, logs, shared)
    report = estimate(
        traffic.calls,
        parameters,
        jobs=shared.jobs,
        inputs=traffic.files,
        findings=bad_row_findings(traffic.bad_rows),
    )
    finish(report, shared)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "cache-estimate",
        examples=(
            "llmops cache-estimate logs.jsonl",
            "llmops cache-estimate logs/ --policy automatic-1h --min-saving 0.2",
            "llmops cache-estimate logs.jsonl --price-as claude-sonnet-5 --on 2026-11-01",
        ),
    )(cache_estimate)
