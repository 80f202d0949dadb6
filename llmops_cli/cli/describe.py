"""``llmops describe``: what a log holds, before any question is asked of it."""

import typer

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.show import finish

__all__ = ["describe", "register"]


def describe(paths: PathsArgument, *, logs: Logs, shared: Shared) -> None:
    """Show what a log holds.

    Calls, models, tokens by class, time span, gaps, and which fields its calls carry.
    """
    from llmops_cli.audit import describe_calls

    traffic = read_logs(paths, logs, shared)
    report = describe_calls(
        traffic.calls,
        inputs=traffic.files,
        formats=traffic.formats,
        findings=bad_row_findings(traffic.bad_rows),
    )
    finish(report, shared)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    examples = ("llmops describe logs.jsonl", "llmops describe logs/ -f json=log.json")
    command(app, "describe", examples=examples)(describe)
