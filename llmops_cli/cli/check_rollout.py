"""``llmops check-rollout``: promote, hold or roll back a stage from what both versions did."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from llmops_cli.cli.check_rollout_input import (
    Reading,
    ends_of,
    moment_of,
    read_observed,
    read_state,
)
from llmops_cli.cli.logs import Logs
from llmops_cli.cli.options import Shared, check_writable, command
from llmops_cli.cli.rollout_watch import arrivals
from llmops_cli.cli.show import finish, say, write_atomically
from llmops_cli.cli.simulate_rollout import column_and_value, read_plan
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict

__all__ = ["CheckRollout", "check_rollout", "register"]


class CheckRollout(TyperCommand):
    """The command; with ``lint`` as its first argument it is that of manifests.

    A file of that name is ``./lint``.
    """

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """As the parser's, for the command that is meant."""
        if args and args[0] == "lint" and parent is not None:
            other = parent.command.commands["rollout-lint"]
            return other.make_context("rollout-lint", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


def check_rollout(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Logs, CSV of sums or query results.", show_default=False
        ),
    ] = None,
    *,
    plan: Annotated[Path, typer.Option("--plan", metavar="PATH", help="The plan of the rollout.")],
    stage: Annotated[
        str, typer.Option("--stage", metavar="PERCENT|shadow", help="The stage that is running.")
    ],
    canary: Annotated[
        str | None,
        typer.Option(
            "--canary",
            metavar="COLUMN=VALUE",
            help="What tells calls of the new version in a log, as request_model=NAME.",
            show_default="no log, but sums",
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            "--control",
            metavar="VALUE",
            help="That of the old version, in the same column.",
            show_default="every other call",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="MOMENT", help="When the stage began.", show_default="all there is"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="MOMENT", help="When it ended.", show_default="not yet"),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="MOMENT",
            help="All data until then are in: silence since counts.",
            show_default="the last window",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="PATH", help="Remember what was seen.", show_default=False),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            "--watch",
            metavar="DIR",
            help="Look again whenever files arrive, until it is decided.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.01, help="Between two listings.")
    ] = 10.0,
    for_hours: Annotated[
        float | None,
        typer.Option(
            "--for-hours", min=0.0, help="Watch no longer than that.", show_default="no limit"
        ),
    ] = None,
    logs: Logs,
    shared: Shared,
) -> None:
    """Decide on a stage of a rollout: promote (0), hold (4) or roll back (1).

    From a log in which --canary tells the new version, from a CSV of sums with the columns
    window, variant, metric, requests and total, or from the JSON of a Prometheus range query
    whose series have the labels variant, metric and field (requests or total).

    Look as often as you like. With --state each look adds to what was seen: late data, data
    out of order and data seen twice change nothing but what they bring. Of two accounts of one
    window the fuller one counts, so give whole windows; of logs, all of the stage each time.

    The plan's policy decides where the evidence does not: a stage that lasts longer than it may,
    a new version that falls silent (by --as-of), looks in a row, pausing, and the watch at 100 %.

    With --watch it reads the files of a folder again whenever one arrives, and ends when the
    stage is to be promoted or rolled back.
    """
    if control is not None and canary is None:
        raise _usage("rollout-control-alone", "--control needs --canary", "--canary COLUMN=VALUE")
    known, running = read_plan(plan), _percent(stage)
    began, ended = ends_of(since, until)
    how = Reading(
        plan=known,
        canary=None if canary is None else column_and_value(canary, "--canary"),
        control=control,
        since=began,
        until=ended,
        as_of=moment_of(as_of, "--as-of"),
        logs=logs,
        shared=shared,
    )
    if state is not None:
        check_writable(state)
    report = None
    for files in _looks(paths or [], watch, (every, for_hours)):
        report = _look(files, running, state, how)
        if report.verdict is not Verdict.INCONCLUSIVE:
            break
        if watch is not None:
            say(shared, f"llmops: {report.headline}")
    finish(report or _look((), running, state, how), shared)


def _look(files: tuple[str, ...], stage: float, state: Path | None, how: Reading) -> Report:
    from llmops_cli.rollout import check_rollout as check
    from llmops_cli.rollout.observed import Observed
    from llmops_cli.rollout.state import to_json

    before = read_state(state, how.plan)
    seen, names, findings = read_observed(files, how) if files else (Observed(), (), ())
    seen = replace(seen, as_of=how.as_of)
    report, after = check(how.plan, before, stage, seen, inputs=names, findings=findings)
    if state is not None:
        write_atomically(state, to_json(after))
    return report


def _looks(
    paths: list[str], watch: Path | None, limits: tuple[float, float | None]
) -> Iterator[tuple[str, ...]]:
    """What each look reads: the files that were named, and those that are there by then."""
    if watch is None:
        if not paths:
            raise _usage("rollout-no-data", "there is nothing to read", "give a PATH or --watch")
        yield tuple(paths)
        return
    every, hours = limits
    polls = None if hours is None else math.ceil(3600 * hours / every)
    for files in arrivals(watch, partial(time.sleep, every), polls):
        yield (*paths, *files)


def _percent(stage: str) -> float:
    """The stage as the plan knows it; in the shadow stage nobody meets the new version."""
    if stage.strip().lower() == "shadow":
        return 0.0
    try:
        return float(stage.strip().removesuffix("%"))
    except ValueError:
        raise _usage("rollout-bad-stage", "--stage is no percent", "--stage 5") from None


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "check-rollout",
        examples=(
            "llmops check-rollout stage.jsonl --plan plan.yaml --stage 5 --canary request_model=M",
            "llmops check-rollout sums.csv --plan plan.yaml --stage 10 --state rollout.json",
            "llmops check-rollout --watch sums/ --plan plan.yaml --stage 25 --state rollout.json",
        ),
    )(check_rollout)
    app.registered_commands[-1].cls = CheckRollout
