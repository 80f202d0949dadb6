"""``llmops plan-rollout``: how a change goes out in stages, and how long that takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from llmops_cli.cli.exports_option import exports_of
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.plan_output import check_output, write_plan
from llmops_cli.cli.plan_rollout_boundaries import Spending
from llmops_cli.cli.plan_rollout_exports import export_known, write_exports
from llmops_cli.cli.plan_rollout_numbers import read_numbers
from llmops_cli.cli.plan_rollout_policy import Undecided
from llmops_cli.cli.plan_rollout_steps import Steps
from llmops_cli.cli.show import finish
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

__all__ = ["plan_rollout", "register"]


def _margin(name: str, what: str, default: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}-margin", metavar="X", help=what, show_default=default)


def plan_rollout(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Logs: files, folders, globs, or - for stdin.", show_default=False
        ),
    ] = None,
    *,
    numbers: Annotated[
        list[str] | None,
        typer.Option(
            "--numbers",
            metavar="NAME=VALUE|PATH",
            help="Plan from numbers in place of a log: requests_per_day, error_rate, score_mean, "
            "score_sd, latency_p50_s, latency_p95_s, cost_mean_usd, cost_sd_usd, design_effect …",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write the plan as YAML; - is stdout, with -q."
        ),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            "--export",
            metavar="NAME=PATH",
            help="Write it for others: argo | flagger | http-route | flagd | litellm | "
            "envoy-ai-gateway | github; repeat.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="PATH",
            help="Export this plan instead of making one.",
            show_default=False,
        ),
    ] = None,
    stages: Annotated[
        str, typer.Option("--stages", metavar="LIST", help="Percent of traffic, rising to 100.")
    ] = "5,10,25,50,100",
    quality_margin: Annotated[
        float | None, _margin("quality", "Drop of the mean score that matters.", "0.02")
    ] = None,
    latency_margin: Annotated[
        float | None, _margin("latency", "Ratio of p95 latencies that matters.", "1.10")
    ] = None,
    error_margin: Annotated[
        float | None, _margin("error", "Rise of the error rate that matters.", "0.01")
    ] = None,
    error_ratio: Annotated[
        float | None,
        typer.Option(
            "--error-ratio",
            metavar="X",
            help="Ratio of error rates that matters, in its place.",
            show_default=False,
        ),
    ] = None,
    cost_margin: Annotated[
        float | None, _margin("cost", "Ratio of mean costs per request that matters.", "none")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Risk of a wrong decision, over all stages.")
    ] = 0.05,
    power: Annotated[
        float, typer.Option("--power", help="Chance that a harmless change passes every stage.")
    ] = 0.80,
    min_stage_hours: Annotated[
        float, typer.Option("--min-stage-hours", help="No stage is shorter than this.")
    ] = 1.0,
    max_days: Annotated[
        float | None,
        typer.Option("--max-days", help="Gate: the whole rollout must fit.", show_default=False),
    ] = None,
    judge_sensitivity: Annotated[
        float,
        typer.Option("--judge-sensitivity", help="Of the judge behind the scores, on the good."),
    ] = 1.0,
    judge_specificity: Annotated[
        float, typer.Option("--judge-specificity", help="The same on the bad.")
    ] = 1.0,
    undecided: Undecided,
    spending: Spending,
    steps: Steps,
    logs: Logs,
    shared: Shared,
) -> None:
    """Plan a rollout in stages.

    Samples, durations and decision bounds of every stage from a baseline log, or from --numbers.

    Every stage gets the requests it needs to show that quality, latency and errors are not
    worse by the margins you care about; at its end each guardrail says go on, roll back or
    hold, and until then a harm sends it back however often you look.

    With --max-days the gate passes when the upper end of the duration (at the lower end of the
    arrival rate) fits. With --max-stage-days a stage takes what comes in that time, and the
    report says what it would miss.
    """
    from llmops_cli.exports import ROLLOUT_EXPORTS
    from llmops_cli.rollout import RolloutParameters, draw_plan
    from llmops_cli.rollout import plan_rollout as report_of
    from llmops_cli.rollout.document import to_yaml

    given = RolloutParameters(
        stages=_stages(stages),
        quality_margin=quality_margin,
        latency_margin=latency_margin,
        error_margin=error_margin,
        error_ratio=error_ratio,
        cost_margin=cost_margin,
        alpha=alpha,
        power=power,
        minimum_stage_s=3600 * min_stage_hours,
        max_days=max_days,
        judge_sensitivity=judge_sensitivity,
        judge_specificity=judge_specificity,
        max_stage_s=undecided.maxima_s(),
        policy=undecided.policy(),
        boundaries=spending.boundaries(),
        shadow=steps.shadow,
        shadow_quality=steps.shadow_quality,
        ab_stage=steps.ab_stage,
        ab_goal=steps.ab_goal,
        ab_gain=steps.ab_gain,
    )
    exports = exports_of(export, ROLLOUT_EXPORTS)
    if plan is not None:
        more = bool(paths or numbers) or output is not None or given != RolloutParameters()
        export_known(plan, exports, shared, asked_more=more)
    check_output(output, shared)
    source = _source(paths or [], numbers or [], logs, shared)
    report = report_of(source.what, given, inputs=source.files, findings=source.findings)
    if output is not None or exports:
        drawn = draw_plan(source.what, given)
        write_exports(drawn, exports, shared)
        write_plan(output, to_yaml(drawn))
    finish(report, shared)


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What is planned from: a calls table or numbers; the files, and what reading them found."""

    what: Any
    files: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def _source(paths: list[str], numbers: list[str], logs: Logs, shared: Shared) -> _Source:
    if bool(paths) == bool(numbers):
        both = "a log and numbers cannot stand beside each other"
        raise LlmopsError(
            "rollout-two-inputs" if paths else "rollout-no-input",
            both if paths else "there is no log to plan from",
            hint="llmops plan-rollout LOG, or --numbers requests_per_day=50000, or --plan PLAN "
            "--export NAME=PATH",
            exit_code=ExitCode.USAGE,
        )
    if numbers:
        return _Source(read_numbers(numbers), tuple(i for i in numbers if "=" not in i))
    traffic = read_logs(paths, logs, shared)
    return _Source(traffic.calls, tuple(traffic.files), bad_row_findings(traffic.bad_rows))


def _stages(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(item) for item in text.split(","))
    except ValueError:
        raise LlmopsError(
            "rollout-bad-stages",
            "--stages is not a list of numbers",
            hint="5,10,25,50,100",
            exit_code=ExitCode.USAGE,
        ) from None


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "plan-rollout",
        examples=(
            "llmops plan-rollout baseline.jsonl",
            "llmops plan-rollout logs/ --error-margin 0.005 --max-days 14 -o plan.yaml",
            "llmops plan-rollout --numbers requests_per_day=50000 --numbers error_rate=0.02",
            "llmops plan-rollout logs/ --export argo=rollout.yaml --export flagd=flags.yaml",
            "llmops plan-rollout --plan plan.yaml --export github=.github/workflows/rollout.yaml",
        ),
    )(plan_rollout)
