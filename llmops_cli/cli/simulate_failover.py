"""``llmops simulate-failover``: the log replayed through outages, under each failover policy."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.show import finish, say, write_atomically
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.calls import CallsTable
    from llmops_cli.failover import Pool

__all__ = ["register", "simulate_failover"]

_COLUMNS = (
    "start_time",
    "conversation_id",
    "task",
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
    paths: PathsArgument,
    *,
    pool: Annotated[
        Path,
        typer.Option(
            "--pool",
            metavar="PATH",
            help="Deployments, policies and outages (YAML).",
            show_default=False,
        ),
    ],
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
    years: Annotated[int, typer.Option("--years", help="Years of outages drawn.")] = 200,
    most_requests: Annotated[
        int,
        typer.Option("--most-requests", help="Requests played per policy, inside episodes."),
    ] = 60_000,
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
            help="The last policy for litellm | envoy-ai-gateway | portkey; repeatable.",
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
    """
    from llmops_cli.exports import FAILOVER_EXPORTS
    from llmops_cli.failover import FailoverParameters
    from llmops_cli.failover import simulate_failover as simulate

    given = FailoverParameters(
        years=years,
        most_requests=most_requests,
        seed=shared.seed,
        own_episodes=own_episodes,
        min_availability=min_availability,
        max_cost_ratio=max_cost_ratio,
        portability=portability,
        search=search,
    )
    exports = exports_of(export, FAILOVER_EXPORTS)
    text = text_of(pool, "failover-unreadable", "the pool")
    columns = None if portability else _COLUMNS
    traffic = read_logs(paths, logs, shared, keep_content=portability, columns=columns)
    known = _pool(traffic.calls, text, pool, published=published_outages)
    findings = bad_row_findings(traffic.bad_rows)
    found = simulate(traffic.calls, known, given, inputs=traffic.files, findings=findings)
    for name, path in exports.items():
        written = FAILOVER_EXPORTS[name](known.plan)
        write_atomically(path, written.text)
        for warning in written.warnings:
            say(shared, f"llmops: warning[export-{name}]: {path}: {warning}")
    finish(found, shared)


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
            "llmops simulate-failover logs/ --pool failover.yaml --export litellm=router.yaml",
        ),
    )(simulate_failover)
