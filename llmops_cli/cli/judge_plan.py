"""``llmops judge-plan``, also ``llmops judge-eval plan``: how many labels will decide?"""

from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.logs import say_bad_rows
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from llmops_cli.judge.label_strata import Stratum

__all__ = ["judge_plan", "register"]


def judge_plan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]",
            help="A pilot log: its accuracy, tasks and clusters are what is expected.",
            show_default=False,
        ),
    ] = None,
    *,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="SHARE", help="Accuracy to exceed.")
    ] = 0.80,
    accuracy: Annotated[
        list[float] | None,
        typer.Option(
            "--accuracy",
            metavar="SHARE",
            help="What the judge's accuracy may be; repeatable.",
            show_default=False,
        ),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", metavar="SHARE", help="Chance of a decision.")
    ] = 0.80,
    design_effect: Annotated[
        float | None,
        typer.Option(
            "--design-effect",
            metavar="TIMES",
            min=1.0,
            help="How many times more labels clusters take.",
            show_default="1",
        ),
    ] = None,
    stratum: Annotated[
        list[str] | None,
        typer.Option(
            "--stratum",
            metavar="NAME:SHARE:ACCURACY",
            help="A part of the traffic that is sampled apart; repeatable.",
            show_default=False,
        ),
    ] = None,
    shared: Shared,
) -> None:
    """Say how many labels decide whether a judge is reliable enough.

    Before any label is made, or from a pilot log.

    Also spelled `llmops judge-eval plan`. To plan for the break-even, give r* as the threshold
    where it is the higher bar.
    """
    from llmops_cli.judge.label_plan import plan_labels
    from llmops_cli.judge.label_strata import PlanParameters

    strata = tuple(_stratum(text) for text in stratum or ())
    accuracies, effect, files = tuple(accuracy or ()), design_effect or 1.0, ()
    if paths:
        from llmops_cli.judge.pilot import pilot
        from llmops_cli.traffic.decisions import read_decisions

        decisions = read_decisions(paths, max_bad_rows=shared.max_bad_rows)
        say_bad_rows(decisions.bad_rows, shared)
        found = pilot(decisions.columns, decisions.labels.kind, decisions.labels.names)
        accuracies, strata = accuracies or (found.accuracy,), strata or found.strata
        effect, files = design_effect or found.design_effect, decisions.files
    asked = PlanParameters(
        threshold=threshold,
        accuracies=accuracies,
        power=power,
        design_effect=effect,
        strata=strata,
    )
    finish(plan_labels(asked, inputs=files), shared)


def _stratum(text: str) -> "Stratum":
    from llmops_cli.judge.label_strata import Stratum

    try:
        name, share, accuracy = text.rsplit(":", 2)
        return Stratum(name, float(share), float(accuracy))
    except ValueError:
        raise LlmopsError(
            "judge-bad-stratum",
            f"'{text}' is not a name, a share and an accuracy",
            hint="--stratum easy:0.7:0.95",
            exit_code=ExitCode.USAGE,
        ) from None


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "judge-plan",
        examples=(
            "llmops judge-eval plan --accuracy 0.88",
            "llmops judge-eval plan --stratum easy:0.7:0.95 --stratum hard:0.3:0.80",
            "llmops judge-eval plan pilot.csv --power 0.9",
        ),
    )(judge_plan)
