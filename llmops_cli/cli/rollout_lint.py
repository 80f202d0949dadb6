"""``llmops rollout-lint``, also ``llmops check-rollout lint``: the odds of a manifest."""

from pathlib import Path
from typing import Annotated

import typer

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["register", "rollout_lint"]

_MOST_HOURS = 24 * 365


def rollout_lint(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="Argo or Flagger YAML.", show_default=False)
    ],
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH", help="Logs of the version in production.", show_default=False
        ),
    ],
    *,
    error_rise: Annotated[
        float, typer.Option("--error-rise", metavar="X", help="Rise of the error rate to see.")
    ] = 0.01,
    runs: Annotated[int, typer.Option("--runs", help="Rollouts played.")] = 2000,
    step_hours: Annotated[
        float,
        typer.Option(
            "--step-hours", metavar="H", help="Of a step that waits for a person or a gate."
        ),
    ] = 1.0,
    max_false_rollback: Annotated[
        float | None,
        typer.Option(
            "--max-false-rollback",
            metavar="SHARE",
            help="Gate: of harmless changes that go back.",
            show_default=False,
        ),
    ] = None,
    logs: Logs,
    shared: Shared,
) -> None:
    """Say how often an existing manifest rolls back for nothing.

    Reads the weights, windows and limits of an Argo Rollout with its AnalysisTemplates, or of a
    Flagger Canary, and plays them on your log: limits of error and success rates, and of the
    harms that plan-rollout exports.

    Also spelled `llmops check-rollout lint`.
    """
    from llmops_cli.rollout.lint import LintParameters, lint
    from llmops_cli.rollout.manifest import read_manifest

    given = LintParameters(
        error_rise=error_rise,
        runs=runs,
        seed=shared.seed,
        max_false_rollback=max_false_rollback,
    )
    known = read_manifest(
        text_of(manifest, "manifest-unreadable"), source=str(manifest), waits_s=_seconds(step_hours)
    )
    traffic = read_logs(paths, logs, shared)
    inputs = (str(manifest), *traffic.files)
    findings = bad_row_findings(traffic.bad_rows)
    finish(lint(known, traffic.calls, given, inputs=inputs, findings=findings), shared)


def _seconds(hours: float) -> float:
    if 0 < hours < _MOST_HOURS:
        return 3600 * hours
    raise LlmopsError(
        "manifest-bad-step",
        f"--step-hours {hours:g} does not lie between 0 and {_MOST_HOURS:,}",
        exit_code=ExitCode.USAGE,
    )


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "rollout-lint",
        examples=("llmops check-rollout lint rollout.yaml baseline.jsonl",),
    )(rollout_lint)
