"""``llmops simulate-failover``: the log replayed through outages, under each failover policy."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.plan_output import check_output
from llmops_cli.cli.show import finish
from llmops_cli.cli.simulate_failover_plan import (
    Outputs,
    check_alone,
    export_plan,
    read_failover_plan,
    write_plan,
)
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.calls import CallsTable
    from llmops_cli.failover import FailoverParameters, Pool
    from llmops_cli.traffic import Traffic

__all__ = ["register", "simulate_failover"]

_COLUMNS = (
    "start_time",
    "conversation_id",
    "task",
    "request_model",
    "response_model",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "duration_s",
    "ttft_s",
    "error_type",
)


def simulate_failover(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Logs: files, folders, globs, or - for stdin.", show_default=False
        ),
    ] = None,
    *,
    pool: Annotated[
        Path | None,
        typer.Option(
            "--pool",
            metavar="PATH",
            help="Deployments, policies and outages (YAML).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write the last policy, or the best chain of --search, as a plan (YAML); - is "
            "stdout, with -q.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="PATH",
            help="Hold this plan against the logs, or export it, instead of making one.",
            show_default=False,
        ),
    ] = None,
    published_outages: Annotated[
        bool,
        typer.Option(
            "--published-outages",
            help="Outages as providers posted them, where the file names none.",
        ),
    ] = False,
    own_episodes: Annotated[
        bool,
        typer.Option(
            "--own-episodes",
            help="The log's own error episodes are incidents of the deployment asked first.",
        ),
    ] = False,
    search: Annotated[
        bool, typer.Option("--search", help="Try every chain of up to three deployments.")
    ] = False,
    portability: Annotated[
        bool,
        typer.Option("--portability", help="Audit which logged prompts can move, and why not."),
    ] = False,
    years: Annotated[
        int | None,
        typer.Option("--years", help="Years of outages drawn.", show_default="200, or the plan's"),
    ] = None,
    most_requests: Annotated[
        int | None,
        typer.Option(
            "--most-requests",
            help="Requests played per policy, inside episodes.",
            show_default="60000, or the plan's",
        ),
    ] = None,
    min_availability: Annotated[
        float | None,
        typer.Option(
            "--min-availability",
            metavar="SHARE",
            help="Gate: requests answered in an average year, under the last policy.",
            show_default=False,
        ),
    ] = None,
    max_cost_ratio: Annotated[
        float | None,
        typer.Option(
            "--max-cost-ratio",
            metavar="RATIO",
            help="Gate: cost of an answer over that in a world without failures.",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            "--export",
            metavar="NAME=PATH",
            help="The plan for litellm | envoy-ai-gateway | portkey; repeatable.",
            show_default=False,
        ),
    ] = None,
    logs: Logs,
    shared: Shared,
) -> None:
    """Replay outages and failover on a log.

    How many requests are lost, what the rest cost and how good they are when a provider fails:
    for each policy of the pool, over years of outages, with the decisions of the client that
    this package runs.

    The gates are decided on intervals over the episodes played, for the last policy of the file.
    With --plan a plan that was written earlier is held against a newer log: does what it promised
    still hold?
    """
    from llmops_cli.exports import FAILOVER_EXPORTS
    from llmops_cli.failover import FailoverParameters

    amounts = {"years": years, "most_requests": most_requests}
    amounts = {name: value for name, value in amounts.items() if value is not None}
    given = FailoverParameters(
        **amounts,
        seed=shared.seed,
        own_episodes=own_episodes,
        min_availability=min_availability,
        max_cost_ratio=max_cost_ratio,
        portability=portability,
        search=search,
    )
    outputs = Outputs(output, exports_of(export, FAILOVER_EXPORTS))
    check_output(output, shared)
    if plan is not None:
        new = {"--pool": pool, "--published-outages": published_outages, "--search": search}
        check_alone(new, outputs, logs_given=bool(paths))
        if not paths:
            export_plan(plan, outputs, shared)
        _hold(plan, paths, (given, amounts), logs, shared)
    if not paths or pool is None:
        raise _nothing_given("logs" if not paths else "--pool")
    text = text_of(pool, "failover-unreadable", "the pool")
    traffic = _read(paths, given, logs, shared)
    known = _pool(traffic.calls, text, pool, published=published_outages)
    _simulate(traffic, known, given, outputs, shared)


def _read(paths: list[str], given: "FailoverParameters", logs: Logs, shared: Shared) -> "Traffic":
    columns = None if given.portability else _COLUMNS
    return read_logs(paths, logs, shared, keep_content=given.portability, columns=columns)


def _simulate(
    traffic: "Traffic", pool: "Pool", given: "FailoverParameters", outputs: Outputs, shared: Shared
) -> NoReturn:
    from llmops_cli.failover.playing import played_log
    from llmops_cli.failover.portability import portability
    from llmops_cli.failover.report import report

    moving = portability(traffic.calls) if given.portability else ()
    found = played_log(traffic.calls, pool, given)
    findings = bad_row_findings(traffic.bad_rows)
    shown = report(found, given, moving, inputs=tuple(traffic.files), findings=findings)
    write_plan(found, given, outputs, shared)
    finish(shown, shared)


def _hold(
    path: Path,
    paths: list[str],
    wanted: tuple["FailoverParameters", dict[str, int]],
    logs: Logs,
    shared: Shared,
) -> NoReturn:
    from llmops_cli.failover.plan_check import check_plan, parameters_of
    from llmops_cli.failover.playing import played_log
    from llmops_cli.failover.portability import portability

    plan, (given, amounts) = read_failover_plan(path), wanted
    traffic = _read(paths, given, logs, shared)
    moving = portability(traffic.calls) if given.portability else ()
    asked = replace(parameters_of(plan, given), **amounts)
    report = check_plan(
        played_log(traffic.calls, plan.pool(str(path)), asked),
        plan,
        asked,
        moving,
        inputs=(*traffic.files, str(path)),
        findings=bad_row_findings(traffic.bad_rows),
    )
    finish(report, shared)


def _nothing_given(what: str) -> LlmopsError:
    return LlmopsError(
        "failover-no-input",
        f"there are no {what}" if what == "logs" else "nothing says where requests can go",
        hint="llmops simulate-failover LOG --pool failover.yaml, or --plan PLAN",
        exit_code=ExitCode.USAGE,
    )


def _pool(calls: "CallsTable", text: str, path: Path, *, published: bool) -> "Pool":
    from llmops_cli.failover import read_pool
    from llmops_cli.failover.published import published_outages

    found = read_pool(calls, text, source=str(path))
    if not published:
        return found
    if found.outages:
        raise LlmopsError(
            "failover-two-records",
            "the file names outages already",
            hint="leave --published-outages out, or the file's outages",
            file=str(path),
            field="outages",
            exit_code=ExitCode.USAGE,
        )
    return replace(found, outages=published_outages(found.chain))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "simulate-failover",
        examples=(
            "llmops simulate-failover traffic.jsonl --pool failover.yaml --published-outages",
            "llmops simulate-failover logs/ --pool failover.yaml --min-availability 0.999",
            "llmops simulate-failover logs/ --pool failover.yaml --own-episodes --search",
            "llmops simulate-failover logs/ --pool failover.yaml --search -o plan.yaml",
            "llmops simulate-failover new/ --plan plan.yaml",
            "llmops simulate-failover --plan plan.yaml --export litellm=router.yaml",
        ),
    )(simulate_failover)
