"""``llmops judge-collect``: a judge model's verdicts on rows that have none yet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.cassette_option import CassetteOption, RecordModeOption, record_mode_of
from llmops_cli.cli.judge_run import Plan, collect, show_estimate
from llmops_cli.cli.judge_settings import labels_of, price_of, template_of, usage_error
from llmops_cli.cli.logs import bad_row_findings, say_bad_rows
from llmops_cli.cli.options import Shared, check_writable, command
from llmops_cli.cli.otlp_option import EndpointOption, endpoint_of
from llmops_cli.cli.show import STDOUT

if TYPE_CHECKING:
    from llmops_cli.live import Settings
    from llmops_cli.traffic.quarantine import Quarantine
    from llmops_cli.traffic.sources import Source

__all__ = ["judge_collect", "register"]

_DEFAULT_CAP_USD = 1.0
_LONGEST_BACKOFF_S = 16.0


def judge_collect(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Rows to judge: CSV, JSON lines or Parquet; files, folders, globs, or -.",
            show_default=False,
        ),
    ],
    *,
    judge_model: Annotated[
        str, typer.Option("--judge-model", metavar="NAME", help="The judge.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Decisions as JSON lines.", show_default=False
        ),
    ] = None,
    spans: Annotated[
        Path | None,
        typer.Option(
            "--spans",
            metavar="PATH",
            help="OpenTelemetry spans of every request.",
            show_default="beside the decisions: .spans.jsonl",
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option("--provider", metavar="NAME", help="SDK: anthropic | openai.")
    ] = "anthropic",
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            metavar="URL",
            help="Another server that speaks the same API.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option(
            "--prompt",
            metavar="FILE",
            help="Template; {column} stands for a row's text.",
            show_default="accept or reject {answer}, or compare {answer_a} and {answer_b}",
        ),
    ] = None,
    verdicts: Annotated[
        str,
        typer.Option(
            "--verdicts",
            metavar="LIST",
            help="What the judge may say; tiers cheapest first.",
            show_default="accept,reject; of pairs A,B,tie",
        ),
    ] = "",
    id_column: Annotated[
        str, typer.Option("--id", metavar="COLUMN", help="Column of ids.", show_default="id")
    ] = "",
    gold: Annotated[
        str,
        typer.Option(
            "--gold", metavar="COLUMN", help="Column of the truth, if any.", show_default="gold"
        ),
    ] = "",
    max_usd: Annotated[
        float | None,
        typer.Option(
            "--max-usd",
            metavar="USD",
            min=0.0,
            help="Never spend more, all runs into the same files together.",
            show_default=f"{_DEFAULT_CAP_USD:.2f}",
        ),
    ] = None,
    price_as: Annotated[
        str,
        typer.Option(
            "--price-as", metavar="MODEL", help="Price as this model.", show_default="the judge"
        ),
    ] = "",
    max_rows: Annotated[
        int | None,
        typer.Option(
            "--max-rows", metavar="N", min=1, help="Only the first rows.", show_default=False
        ),
    ] = None,
    max_output_tokens: Annotated[
        int, typer.Option("--max-output-tokens", metavar="N", min=1, help="Of one answer.")
    ] = 1024,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=256, help="Calls in flight.")
    ] = 4,
    max_attempts: Annotated[
        int,
        typer.Option("--max-attempts", metavar="N", min=1, help="Requests per call, retries too."),
    ] = 5,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Of one request.")
    ] = 60.0,
    structured: Annotated[
        bool,
        typer.Option(
            "--structured/--no-structured", help="Ask for the verdict by JSON schema, or by words."
        ),
    ] = True,
    cassette: CassetteOption = None,
    record_mode: RecordModeOption = "",
    otlp_endpoint: EndpointOption = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the output of a run that ended early.")
    ] = False,
    keep_content: Annotated[
        bool, typer.Option("--keep-content", help="Keep prompts and answers in the spans.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost; send nothing.")
    ] = False,
    shared: Shared,
) -> None:
    """Ask a judge model for its verdicts.

    Every row once, pairs in both orders, within a dollar cap; judge-eval reads the result.

    The key comes from ANTHROPIC_API_KEY or OPENAI_API_KEY. Each verdict is on the disk before
    anything follows from it: a run may be killed anywhere and goes on with --resume, asking
    again only what was in flight, which the cap counts at the most it can have cost. An answer
    without a verdict in it is kept as unparsable. Exits 4 when the cap leaves rows unjudged, 5
    when the provider fails.

    With --cassette nothing is sent unless --record-mode says so: recorded answers give the same
    decisions and spans again, without key, connection or cost. llmops schema cassette.

    Also spelled `llmops judge-collect`.
    """
    from llmops_cli.cli.judge_rows import Wanted, judge_rows
    from llmops_cli.failover.policy import Backoff
    from llmops_cli.live import Settings
    from llmops_cli.traffic.quarantine import Quarantine
    from llmops_cli.traffic.sources import resolve

    sources, quarantine = resolve(paths, (".csv",)), Quarantine(shared.max_bad_rows)
    files = None if output is None else _files(output, spans, sources)
    template = template_of(prompt, sources)
    settings = Settings(
        model=judge_model,
        template=template,
        labels=labels_of(verdicts, template, own_prompt=prompt is not None),
        max_output_tokens=max_output_tokens,
        structured=structured,
        concurrency=concurrency,
        retries=Backoff(attempts=max_attempts, longest_backoff_s=_LONGEST_BACKOFF_S),
        keep_content=keep_content,
    )
    names = {ours: theirs for ours, theirs in (("id", id_column), ("gold", gold)) if theirs}
    rows = judge_rows(sources, Wanted(template=template, names=names, most=max_rows), quarantine)
    say_bad_rows(quarantine.rows, shared)
    price = price_of(
        judge_model, price_as, "" if base_url else provider, needed=max_usd is not None
    )
    plan = Plan(
        rows=rows,
        settings=settings,
        price=price,
        cap_usd=_DEFAULT_CAP_USD if max_usd is None else max_usd,
        files=files,
        resume=resume,
        cassette=cassette,
        record_mode=record_mode_of(record_mode, cassette, *(files or ())),
        endpoint=endpoint_of(otlp_endpoint),
        common=_common(sources, quarantine, settings, provider, priced=price is not None),
    )
    if dry_run:
        show_estimate(plan, provider, shared)
    collect(plan, provider, base_url, timeout, shared)


def _files(output: Path, spans: Path | None, sources: "tuple[Source, ...]") -> tuple[Path, Path]:
    beside = spans or output.with_name(f"{output.stem}.spans.jsonl")
    for path in (output, beside):
        if path == STDOUT:
            hint = "what is asked for must outlive the run: give a file"
            raise usage_error("collect-to-stdout", "decisions and spans go to files", hint)
        check_writable(path)
    taken = {Path(source.name).resolve() for source in sources if source.is_plain_file}
    if len({output.resolve(), beside.resolve()} | taken) < len(taken) + 2:
        hint = "rows, decisions and spans are three different files"
        raise usage_error(
            "output-twice", "an output is an input, or both outputs are one file", hint
        )
    return output, beside


def _common(
    sources: "tuple[Source, ...]",
    quarantine: "Quarantine",
    settings: "Settings",
    provider: str,
    *,
    priced: bool,
) -> dict[str, Any]:
    from llmops_cli.cli.judge_reports import no_price

    return {
        "inputs": tuple(source.name for source in sources),
        "parameters": {
            "judge_model": settings.model,
            "provider": provider,
            "verdicts": ",".join(settings.labels),
            "orders": len(settings.orders),
            "prompt": settings.template.digest,
        },
        "findings": bad_row_findings(quarantine.rows)
        + (() if priced else (no_price(settings.model),)),
    }


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "judge-collect",
        examples=(
            "llmops judge-eval collect rows.csv --judge-model claude-haiku-4-5 -o decisions.jsonl",
            "llmops judge-eval collect rows.csv --judge-model claude-haiku-4-5 --dry-run",
            "llmops judge-eval collect ab.csv --judge-model gpt-5.6 --provider openai -o d.jsonl",
            "llmops judge-eval collect rows.csv --judge-model claude-haiku-4-5 -o d.jsonl --resume",
        ),
    )(judge_collect)
