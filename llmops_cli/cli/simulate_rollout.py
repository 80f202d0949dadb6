"""``llmops simulate-rollout``: a plan rehearsed on a log before anybody is exposed to it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.rollout.changes import Change
    from llmops_cli.rollout.model import Plan

__all__ = ["column_and_value", "read_plan", "register", "simulate_rollout"]


def _harm(name: str, what: str, default: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", metavar="X", help=what, show_default=default)


def _gate(name: str, metavar: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", metavar=metavar, help=f"Gate: {what}", show_default=False)


def simulate_rollout(
    paths: PathsArgument,
    *,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="PATH",
            help="The plan, as plan-rollout -o wrote it.",
            show_default="planned from the log",
        ),
    ] = None,
    quality_drop: Annotated[float, _harm("quality-drop", "Drop of the mean score.", "0")] = 0.0,
    latency_ratio: Annotated[
        float, _harm("latency-ratio", "Every duration times this.", "1")
    ] = 1.0,
    p95_ratio: Annotated[
        float, _harm("p95-ratio", "Their p95 times this, the median as it was.", "1")
    ] = 1.0,
    error_rise: Annotated[float, _harm("error-rise", "Rise of the error rate.", "0")] = 0.0,
    cost_ratio: Annotated[float, _harm("cost-ratio", "Every cost times this.", "1")] = 1.0,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="COLUMN=VALUE",
            help="The change touches only calls like this.",
            show_default=False,
        ),
    ] = None,
    after_hours: Annotated[
        float, typer.Option("--after-hours", help="The change begins so long after the start.")
    ] = 0.0,
    drift_hours: Annotated[
        float, typer.Option("--drift-hours", help="It grows for so long; 0 for at once.")
    ] = 0.0,
    runs: Annotated[int, typer.Option("--runs", help="Rollouts played of each change.")] = 500,
    look_hours: Annotated[float, typer.Option("--look-hours", help="Hours between looks.")] = 1.0,
    every_rule: Annotated[
        bool,
        typer.Option(
            "--every-rule", help="Also judge by one test of errors, of each kind of boundary."
        ),
    ] = False,
    max_false_rollback: Annotated[
        float | None, _gate("max-false-rollback", "SHARE", "of harmless changes that go back.")
    ] = None,
    min_detection: Annotated[
        float | None, _gate("min-detection", "SHARE", "of harmful changes that go back.")
    ] = None,
    max_exposed: Annotated[
        float | None, _gate("max-exposed", "N", "mean requests served by a harmful change.")
    ] = None,
    logs: Logs,
    shared: Shared,
) -> None:
    """Rehearse a rollout on a log.

    Plays the plan many times on your own traffic, with no change and with changes for the worse:
    how often it goes back, how soon, and how many requests and users have met the new version.

    Without a change of your own every guardrail is played at its margin. The gates are decided
    on exact intervals over the runs.
    """
    from llmops_cli.rollout import RehearsalParameters, RolloutParameters, draw_plan
    from llmops_cli.rollout import simulate_rollout as simulate
    from llmops_cli.rollout.changes import Change

    given = RehearsalParameters(
        change=_change(
            Change(
                quality_drop=quality_drop,
                latency_ratio=latency_ratio,
                p95_ratio=p95_ratio,
                error_rise=error_rise,
                cost_ratio=cost_ratio,
            ),
            only,
            (after_hours, drift_hours),
        ),
        runs=runs,
        look_s=3600 * look_hours,
        seed=shared.seed,
        every_rule=every_rule,
        max_false_rollback=max_false_rollback,
        min_detection=min_detection,
        max_exposed=max_exposed,
    )
    known = None if plan is None else read_plan(plan)
    traffic = read_logs(paths, logs, shared)
    known = known or draw_plan(traffic.calls, RolloutParameters())
    findings = bad_row_findings(traffic.bad_rows)
    finish(simulate(traffic.calls, known, given, inputs=traffic.files, findings=findings), shared)


def _change(harm: "Change", only: str | None, hours: tuple[float, float]) -> "Change | None":
    """The change with its name, place and time; None where there is none."""
    if harm.harmless:
        if only is not None or any(hours):
            raise LlmopsError(
                "rollout-no-change",
                "a place or a time was given for a change, and no change",
                hint="add --quality-drop, --latency-ratio, --p95-ratio, --error-rise or "
                "--cost-ratio",
                exit_code=ExitCode.USAGE,
            )
        return None
    return replace(
        harm,
        name=_name(harm),
        only=None if only is None else column_and_value(only, "--only"),
        after_s=3600 * hours[0],
        drift_s=3600 * hours[1],
    )


def _name(harm: "Change") -> str:
    parts = (
        f"score -{harm.quality_drop:g}" if harm.quality_drop else "",
        f"latency x{harm.latency_ratio:g}" if harm.latency_ratio != 1 else "",
        f"p95 x{harm.p95_ratio:g}" if harm.p95_ratio != 1 else "",
        f"errors +{harm.error_rise:g}" if harm.error_rise else "",
        f"cost x{harm.cost_ratio:g}" if harm.cost_ratio != 1 else "",
    )
    return ", ".join(part for part in parts if part)


def column_and_value(text: str, option: str) -> tuple[str, str]:
    """``task=summary`` as a column and its value.

    Raises:
        LlmopsError: ``rollout-bad-slice``.
    """
    column, _, value = text.partition("=")
    if not column or not value:
        raise LlmopsError(
            "rollout-bad-slice",
            f"{option} is not COLUMN=VALUE",
            hint=f"{option} request_model=NAME",
            exit_code=ExitCode.USAGE,
        )
    return column, value


def read_plan(path: Path) -> "Plan":
    """The plan in a file.

    Raises:
        LlmopsError: ``plan-unreadable``, and those of
            :func:`llmops_cli.rollout.document.from_yaml`.
    """
    from llmops_cli.rollout.document import from_yaml

    text = text_of(path, "plan-unreadable", "the plan")
    return from_yaml(text, source=str(path))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "simulate-rollout",
        examples=(
            "llmops simulate-rollout baseline.jsonl",
            "llmops simulate-rollout logs/ --plan plan.yaml --error-rise 0.02 --drift-hours 12",
            "llmops simulate-rollout logs/ --max-false-rollback 0.05 --min-detection 0.8",
        ),
    )(simulate_rollout)
