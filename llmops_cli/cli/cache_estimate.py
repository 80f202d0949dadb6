"""``llmops cache-estimate``: what prompt caching saves on a log, and whether that is enough."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from llmops_cli.cli.cache_semantic import Semantic, refuse_mixed, semantic_parameters
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["cache_estimate", "register"]


_REPLAY = {
    "policy",
    "min_saving",
    "min_hit_rate",
    "max_unexplained_miss",
    "baseline",
    "max_regression",
    "invoice_usd",
    "minimum_tokens",
    "refresh",
    "provider",
    "assume",
    "kv_tokens",
}
# Options that a semantic cache has no use for.


def cache_estimate(
    context: typer.Context,
    paths: PathsArgument,
    *,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="none | as-logged | automatic-5m|1h | static-prefix-5m|1h | "
            "moving-tail-5m|1h|mixed | best-4-5m|1h|mixed.",
            show_default="the cheapest of automatic and none",
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
    min_hit_rate: Annotated[
        float | None,
        typer.Option(
            "--min-hit-rate",
            metavar="SHARE",
            help="Gate: share of input that the policy must read from the cache.",
            show_default=False,
        ),
    ] = None,
    max_unexplained_miss: Annotated[
        float | None,
        typer.Option(
            "--max-unexplained-miss",
            metavar="SHARE",
            help="Gate: share of reads that the rules promise and the bill may lack.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="PATH",
            help="An earlier JSON report, for --max-regression.",
            show_default=False,
        ),
    ] = None,
    max_regression: Annotated[
        float | None,
        typer.Option(
            "--max-regression",
            metavar="SHARE",
            help="Gate: how much of the baseline's saving may be lost.",
            show_default=False,
        ),
    ] = None,
    invoice_usd: Annotated[
        float | None,
        typer.Option(
            "--invoice-usd",
            metavar="USD",
            help="What was paid for the time of the log, to hold against its usage.",
            show_default=False,
        ),
    ] = None,
    price_as: Annotated[
        str,
        typer.Option(
            "--price-as",
            "--model",
            metavar="MODEL",
            help="Replay and price every call as this Claude model; with --semantic any model.",
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
    provider: Annotated[
        list[str] | None,
        typer.Option(
            "--provider",
            metavar="NAME[=MODEL]",
            help="Show the same traffic at this provider too, by its rules and prices; "
            "repeatable, or all.",
            show_default=False,
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume",
            metavar="[PROVIDER.]KNOB=VALUE",
            help="What a provider does not document: lifetime (s), miss_rate, overflow (requests "
            "a minute), step_tokens; repeatable. `llmops prices MODEL` shows the defaults.",
            show_default=False,
        ),
    ] = None,
    kv_tokens: Annotated[
        int,
        typer.Option(
            "--kv-tokens",
            metavar="N",
            help="Tokens that a vLLM or SGLang server holds.",
        ),
    ] = 500_000,
    keep_content: Annotated[
        bool,
        typer.Option(
            "--keep-content",
            help="Keep prompts in memory, to say at which character a changed block differs.",
        ),
    ] = False,
    semantic: Semantic,
    logs: Logs,
    shared: Shared,
) -> None:
    """Say what prompt caching saves.

    What it saves, what is left, and what to change first.

    Replays the log block by block under Anthropic's written rules: markers as logged, automatic
    caching (5 minutes, 1 hour), markers placed by rule or by foresight, none. With --provider
    under other providers' rules as well. The gate holds when the one-sided 95 % lower bound of
    the saving reaches --min-saving. With --semantic another question: which calls a cache of
    answers would serve, and how many of them wrongly.
    """
    from llmops_cli.cache import NEEDED, CacheParameters, PromptCollector, semantic_estimate
    from llmops_cli.cache import cache_estimate as estimate
    from llmops_cli.cache.providers import asked_for

    day = _day(on)
    refuse_mixed(context, semantic, _REPLAY)
    if semantic.asked:
        asked = semantic_parameters(semantic, price_as=price_as, on=day, seed=shared.seed)
        traffic = read_logs(paths, logs, shared, keep_content=True)
        found = bad_row_findings(traffic.bad_rows)
        finish(
            semantic_estimate(traffic.calls, asked, inputs=traffic.files, findings=found), shared
        )
    saving, judged = (None, "") if baseline is None else _earlier(baseline)
    parameters = CacheParameters(
        policy=policy,
        min_saving=min_saving,
        min_hit_rate=min_hit_rate,
        max_unexplained_miss=max_unexplained_miss,
        baseline_saving=saving,
        baseline_policy=judged,
        max_regression=max_regression,
        invoice_usd=invoice_usd,
        price_as=price_as,
        on=day,
        minimum_tokens=minimum_tokens,
        refresh=refresh,
        providers=tuple(provider or ()),
        assume=tuple(assume or ()),
        kv_tokens=kv_tokens,
        seed=shared.seed,
    )
    asked_for(parameters.providers, parameters.assume)  # refused before the log is read
    prompts = PromptCollector()
    traffic = read_logs(
        paths, logs, shared, keep_content=keep_content, columns=NEEDED, each=prompts.take
    )
    report = estimate(
        prompts.compact(traffic.calls),
        parameters,
        jobs=shared.jobs,
        inputs=traffic.files,
        findings=bad_row_findings(traffic.bad_rows),
    )
    finish(report, shared)


def _earlier(path: Path) -> tuple[float, str]:
    from llmops_cli.cache.gates import baseline_saving
    from llmops_cli.views.json import parse

    try:
        content = path.read_bytes()
    except OSError as error:
        raise LlmopsError(
            "cache-bad-baseline",
            "the baseline cannot be read",
            hint="write one with: llmops cache-estimate LOG -f json=previous.json",
            file=str(path),
            exit_code=ExitCode.USAGE,
        ) from error
    return baseline_saving(parse(content, str(path)), str(path))


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
            "llmops cache-estimate logs.jsonl --provider all -v",
            "llmops cache-estimate logs.jsonl --semantic --max-false-hit 0.02",
        ),
    )(cache_estimate)
