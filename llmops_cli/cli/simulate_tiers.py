"""``llmops simulate-tiers``: which model for which task, what it saves and what it risks."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.cli.logs import Logs
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.plan_output import check_output
from llmops_cli.cli.simulate_tiers_input import Asked, amounts_of, pairs_of, read_input
from llmops_cli.cli.simulate_tiers_options import columns_of, compare_of, floors_of, names_of
from llmops_cli.cli.simulate_tiers_output import check_alone, hold_plan, make_plan

__all__ = ["register", "simulate_tiers"]


def _option(name: str, what: str, metavar: str = "X") -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=what, show_default=False)


def simulate_tiers(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Outcome tables (CSV, JSON lines, Parquet) or logs with evaluation scores; files, "
            "folders, globs, or - for CSV.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write the plan as YAML; - is stdout, with -q."
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        _option("plan", "Hold this plan against the outcomes instead of making one.", "PATH"),
    ] = None,
    export: Annotated[
        list[str] | None,
        _option("export", "Write the plan for others: litellm | table; repeat.", "NAME=PATH"),
    ] = None,
    reference: Annotated[
        str, _option("reference", "Model to hold everything against; else the best.", "MODEL")
    ] = "",
    floor: Annotated[
        float | None, _option("floor", "Quality of all traffic, of the reference's.", "SHARE")
    ] = None,
    class_floor: Annotated[
        list[str] | None,
        _option("class-floor", "The same in every class, or in one; repeat.", "[TASK=]SHARE"),
    ] = None,
    budget: Annotated[
        float | None,
        _option("budget", "USD per 1,000 requests; without a floor: best quality in it.", "USD"),
    ] = None,
    max_p95: Annotated[
        float | None, _option("max-p95", "Seconds that 95 % of requests may take.", "SECONDS")
    ] = None,
    capacity: Annotated[
        list[str] | None,
        _option("capacity", "Largest share of requests of a model; repeat.", "MODEL=SHARE"),
    ] = None,
    max_providers: Annotated[
        int | None, _option("max-providers", "How many providers the plan may use.", "N")
    ] = None,
    provider: Annotated[
        list[str] | None,
        _option("provider", "Who serves a model; else what precedes its slash.", "MODEL=NAME"),
    ] = None,
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="NAME", help="lower | paired | point.")
    ] = "lower",
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="SHARE", help="Risk of any wrong claim.")
    ] = 0.05,
    min_rows: Annotated[
        int, typer.Option("--min-rows", metavar="N", help="Smaller classes keep the reference.")
    ] = 30,
    fractional: Annotated[
        bool, typer.Option("--fractional", help="Classes may be split between models.")
    ] = False,
    tier: Annotated[
        list[str] | None,
        _option("tier", "generalist | economy | specialist, where you know; repeat.", "MODEL=TIER"),
    ] = None,
    min_saving: Annotated[
        float | None, _option("min-saving", "Gate: share of cost to save.", "SHARE")
    ] = None,
    max_quality_loss: Annotated[
        float | None, _option("max-quality-loss", "Gate: quality to lose at most, of 1.", "X")
    ] = None,
    router: Annotated[
        list[str] | None,
        _option("router", "Try a router: logistic | knn | boosting; repeat.", "NAME"),
    ] = None,
    cascade: Annotated[
        list[str] | None, _option("cascade", "Try a cascade, cheapest first; repeat.", "A,B,…")
    ] = None,
    score: Annotated[
        list[str] | None, _option("score", "Column of a logged router score; repeat.", "COLUMN")
    ] = None,
    judge: Annotated[
        str, _option("judge", "Column of the verdicts that cascades go by.", "COLUMN")
    ] = "",
    judge_cost: Annotated[
        float, typer.Option("--judge-cost", metavar="USD", help="Of a verdict.")
    ] = 0.0,
    judge_latency: Annotated[
        float, typer.Option("--judge-latency", metavar="SECONDS", help="Of a verdict.")
    ] = 0.0,
    models: Annotated[
        str, _option("models", "Models of a wide table, where not told from it.", "A,B,…")
    ] = "",
    cost: Annotated[
        list[str] | None,
        _option("cost", "USD of a request, where no file says; repeat.", "MODEL=USD"),
    ] = None,
    prices: Annotated[
        bool, typer.Option("--prices", help="Compute costs from tokens with the price book.")
    ] = False,
    price_as: Annotated[
        list[str] | None, _option("price-as", "Name in the price book; repeat.", "MODEL=NAME")
    ] = None,
    quality_range: Annotated[
        str, typer.Option("--quality-range", metavar="LOW,HIGH", help="Worst and best quality.")
    ] = "0,1",
    task_of_file: Annotated[
        bool, typer.Option("--task-of-file", help="A file without task classes is one.")
    ] = False,
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on",
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Day of the plan and of its prices.",
            show_default="today",
        ),
    ] = None,
    valid_days: Annotated[
        int, typer.Option("--valid-days", metavar="N", min=1, help="Until the plan expires.")
    ] = 90,
    logs: Logs,
    shared: Shared,
) -> None:
    """Assign models to task classes.

    Which model answers which task class, what that saves, and what quality it risks in each.

    Reads outcomes: a row per request with a column per model (its quality) and model|cost,
    model|latency; or a row per answer with request_id, model, quality, cost, latency. By default
    each class gets the cheapest model that is shown to keep 95 % of the reference's quality
    there; --floor asks for that over all traffic, which saves more and makes some class worse.
    Gates are decided on plans chosen without the rows they are held against.
    """
    from llmops_cli.exports import EXPORTS
    from llmops_cli.tiers.model import TierParameters

    every, named = floors_of(class_floor)
    given = TierParameters(
        reference=reference, floor=floor, class_floor=every, class_floors=named,
        budget_usd=budget, max_p95_s=max_p95, capacity=amounts_of(capacity, "--capacity"),
        max_providers=max_providers, providers=pairs_of(provider, "--provider"),
        evidence=evidence,  # type: ignore[arg-type] - a wrong one is refused there
        alpha=alpha, min_rows=min_rows, fractional=fractional, tiers=pairs_of(tier, "--tier"),
        min_saving=min_saving, max_quality_loss=max_quality_loss, seed=shared.seed,
    )  # fmt: skip
    day = date.today() if on is None else on.date()  # noqa: DTZ011 - the user's own day
    exports = exports_of(export, EXPORTS)
    check_output(output, shared)
    if plan is not None:
        check_alone(given, written=output is not None or bool(exports))
    scores = tuple(dict.fromkeys([*(score or ()), *([judge] if judge else ())]))
    asked = Asked(
        columns=columns_of(
            logs, names_of(models), scores, quality_range, (bool(router), task_of_file)
        ),
        costs=amounts_of(cost, "--cost"),
        prices=prices,
        price_as=pairs_of(price_as, "--price-as"),
        on=day,
    )
    compare = compare_of(router, cascade, score, (judge, judge_cost, judge_latency))
    read = read_input(paths, asked, logs, shared)
    if plan is not None:
        hold_plan(plan, read, given, day, shared)
    make_plan(read, given, compare, (day, valid_days), (output, exports), shared)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "simulate-tiers",
        examples=(
            "llmops simulate-tiers outcomes.csv",
            "llmops simulate-tiers outcomes.csv --floor 0.98 --min-saving 0.3 -o plan.yaml",
            "llmops simulate-tiers outcomes.csv --budget 2 --router logistic -f html=tiers.html",
            "llmops simulate-tiers new.csv --plan plan.yaml --max-quality-loss 0.02",
        ),
    )(simulate_tiers)
