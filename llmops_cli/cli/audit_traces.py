"""``llmops audit-traces``: a grade for telemetry, and what to mend first."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.logs import Logs, bad_row_findings, say_bad_rows
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.progress import progress
from llmops_cli.cli.show import finish
from llmops_cli.errors import LlmopsError

if TYPE_CHECKING:
    from llmops_cli.report import Report

__all__ = ["audit_traces", "register"]


def audit_traces(
    paths: PathsArgument,
    *,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="N",
            help="Gate: score of 100 that the log must reach.",
            show_default=False,
        ),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            "--forbid",
            metavar="RULE",
            help="Gate: a rule (or all violations: violation) that may not be broken; repeatable.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            "--baseline",
            metavar="REPORT",
            help="An earlier report of this command, written by -f json: before and after.",
            show_default=False,
        ),
    ] = "",
    conventions: Annotated[
        str,
        typer.Option(
            "--conventions",
            metavar="VERSION",
            help="OpenTelemetry conventions to hold the log against.",
            show_default="1.41",
        ),
    ] = "",
    logs: Logs,
    shared: Shared,
) -> None:
    """Grade telemetry, and say what to mend first.

    Which of our questions the log can answer, which rules its spans break and where, and what
    it must rename for the newest conventions.

    Rules are OpenTelemetry's GenAI conventions, by version, and what our commands need; the
    score is the weighted share of spans that keep them. Content is looked at for secrets and
    personal data, and never shown.
    """
    from llmops_cli.audit import AuditParameters
    from llmops_cli.audit import audit_traces as audit
    from llmops_cli.traffic import read_traffic

    asked = {"conventions": conventions} if conventions else {}
    parameters = AuditParameters(
        min_score=min_score, forbid=tuple(dict.fromkeys(forbid or ())), **asked
    )
    before = _baseline(baseline) if baseline else None
    options = replace(logs.options(shared), spans=True)
    with progress(shared, paths) as advance:
        traffic = read_traffic(paths, options, jobs=shared.jobs, advance=advance)
    say_bad_rows(traffic.bad_rows, shared)
    report = audit(
        traffic.calls,
        traffic.spans,
        parameters,
        joins=traffic.joins,
        baseline=before,
        inputs=traffic.files,
        formats=traffic.formats,
        findings=bad_row_findings(traffic.bad_rows),
    )
    finish(report, shared)


def _baseline(path: str) -> "Report":
    from llmops_cli.views.json import parse

    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise LlmopsError(
            "input-unreadable", f"the baseline cannot be read: {reason}", file=path
        ) from error
    return parse(data, path)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "audit-traces",
        examples=(
            "llmops audit-traces traces.jsonl",
            "llmops audit-traces traces/ --min-score 80 --forbid secret-in-log",
            "llmops audit-traces traces.jsonl -f sarif=audit.sarif",
            "llmops audit-traces traces.jsonl --baseline last-week.json",
        ),
    )(audit_traces)
