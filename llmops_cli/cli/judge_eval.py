"""``llmops judge-eval``: may this routing judge be trusted with the traffic?"""

from typing import Annotated

import typer

from llmops_cli.cli.logs import bad_row_findings, say_bad_rows
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish

__all__ = ["judge_eval", "register"]


def _column(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{name}", metavar="COLUMN", help=f"Column that holds {what}.", show_default=name
    )


def judge_eval(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Decisions: CSV, JSON lines or Parquet; files, folders, globs, or - for CSV.",
            show_default=False,
        ),
    ],
    *,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="SHARE", help="Gate: accuracy to exceed.")
    ] = 0.80,
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="NAME", help="Gate against threshold | break-even | both."
        ),
    ] = "threshold",
    level: Annotated[
        float, typer.Option("--level", metavar="SHARE", help="Confidence of shown intervals.")
    ] = 0.95,
    judge: Annotated[str, _column("judge", "the verdict")] = "",
    gold: Annotated[str, _column("gold", "the truth")] = "",
    cluster: Annotated[str, _column("cluster", "what rows depend on")] = "",
    task: Annotated[str, _column("task", "the task class")] = "",
    shared: Shared,
) -> None:
    """Say whether a routing judge can be trusted.

    How reliable it is, and whether there are enough labels to say so.

    Reads CSV, JSON lines or Parquet with the columns judge and gold (1/0, true/false, yes/no,
    accept/reject): the judge says that the weak model's answer will do, and whether it really
    does. With weak_correct and strong_correct the break-even r* of the traffic is computed too.
    The gate passes when the one-sided 95 % lower bound of the accuracy exceeds the threshold.
    """
    from llmops_cli.judge import JudgeParameters
    from llmops_cli.judge import judge_eval as evaluate
    from llmops_cli.traffic.decisions import read_decisions

    parameters = JudgeParameters(
        threshold=threshold, against=against, level=level, seed=shared.seed
    )
    given = {"judge": judge, "gold": gold, "cluster": cluster, "task": task}
    names = {ours: theirs for ours, theirs in given.items() if theirs}
    decisions = read_decisions(paths, names=names, max_bad_rows=shared.max_bad_rows)
    say_bad_rows(decisions.bad_rows, shared)
    report = evaluate(
        decisions.frame,
        parameters,
        inputs=decisions.files,
        findings=bad_row_findings(decisions.bad_rows),
    )
    finish(report, shared)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "judge-eval",
        examples=(
            "llmops judge-eval decisions.csv",
            "llmops judge-eval decisions.csv --threshold 0.85 -f github -f junit=judge.xml",
            "llmops judge-eval outcomes.parquet --judge verdict --against both",
        ),
    )(judge_eval)
