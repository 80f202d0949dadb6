"""``llmops judge-eval``: may this routing judge be trusted with the traffic?

``llmops judge-eval plan`` is the command ``judge-plan`` by another name, whatever options stand
before the word, and so for every other command that begins with ``judge-``; a log of that name is
``./plan``.
"""

import gc
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from llmops_cli.cli.logs import bad_row_findings, say_bad_rows
from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.traffic import BadRow
    from llmops_cli.traffic.decisions import LabelSet

__all__ = ["judge_eval", "register"]


class JudgeEval(TyperCommand):
    """The command; a first argument that names another judge command is that command."""

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """As the parser's, for the command that is meant."""
        siblings: Mapping[str, Any] = parent.command.commands if parent is not None else {}
        names = {word: f"judge-{word}" for word in args if f"judge-{word}" in siblings}
        others = {word: siblings[name] for word, name in names.items() if name != info_name}
        at = _first_argument(args, (self, *others.values())) if others else len(args)
        if at < len(args) and args[at] in others:
            rest = [*args[:at], *args[at + 1 :]]
            return others[args[at]].make_context(names[args[at]], rest, parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


def _first_argument(args: Sequence[str], commands: Sequence[Any]) -> int:
    """Where the first word stands that is neither an option nor the value of one."""
    options: list[Any] = [item for each in commands for item in each.params]
    valued = {name for item in options if not getattr(item, "is_flag", True) for name in item.opts}
    before = ""
    for at, word in enumerate(args):
        if word == "--":  # what follows are files, whatever they are called
            break
        if before not in valued and (word == "-" or not word.startswith("-")):
            return at
        before = "" if before in valued else word
    return len(args)


def _column(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{name}", metavar="COLUMN", help=f"Column that holds {what}.", show_default=name
    )


def _model(name: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{name}",
        metavar="COLUMN",
        help=f"Column that holds whether the {name} model is right.",
        show_default=f"{name}_correct",
    )


def judge_eval(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Decisions: CSV, JSON lines, OTLP traces or Parquet; files, folders, globs, or "
            "- for CSV.",
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
            "--against",
            metavar="NAME",
            help="Gate against threshold | break-even | both (the threshold alone without both "
            "models' outcomes).",
        ),
    ] = "both",
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Bounds that hold however often you look.")
    ] = False,
    sprt: Annotated[
        str,
        typer.Option(
            "--sprt",
            metavar="LOW,HIGH",
            help="Sequential probability ratio test of two accuracies instead of the threshold.",
            show_default=False,
        ),
    ] = "",
    level: Annotated[
        float, typer.Option("--level", metavar="SHARE", help="Confidence of shown intervals.")
    ] = 0.95,
    judge: Annotated[str, _column("judge", "the verdict")] = "",
    gold: Annotated[str, _column("gold", "the truth")] = "",
    score: Annotated[str, _column("score", "a score instead of the verdict")] = "",
    cut: Annotated[
        float | None,
        typer.Option("--cut", metavar="SCORE", help="Accept from this score.", show_default="0.5"),
    ] = None,
    confidence: Annotated[
        str, _column("confidence", "the probability, stated by the judge, that it is right")
    ] = "",
    cluster: Annotated[str, _column("cluster", "what rows depend on")] = "",
    task: Annotated[str, _column("task", "the task class")] = "",
    propensity: Annotated[
        str, _column("propensity", "the probability with which a row came to be labelled")
    ] = "",
    weak: Annotated[str, _model("weak")] = "",
    strong: Annotated[str, _model("strong")] = "",
    tiers: Annotated[
        str,
        typer.Option(
            "--tiers",
            metavar="NAMES",
            help="Classes of the verdicts, cheapest first: small,medium,large.",
            show_default=False,
        ),
    ] = "",
    under_cost: Annotated[
        float, typer.Option("--under-cost", metavar="COST", help="Of a tier too cheap, per tier.")
    ] = 1.0,
    over_cost: Annotated[
        float, typer.Option("--over-cost", metavar="COST", help="Of a tier too dear, per tier.")
    ] = 1.0,
    multiplicity: Annotated[
        str,
        typer.Option("--multiplicity", metavar="NAME", help="Claims about tasks: holm | bh."),
    ] = "holm",
    earlier: Annotated[
        list[str] | None,
        typer.Option(
            "--earlier",
            metavar="PATH",
            help="An earlier log, to see what has moved; repeatable.",
            show_default=False,
        ),
    ] = None,
    shared: Shared,
) -> None:
    """Say whether a routing judge can be trusted.

    How reliable it is, and whether there are enough labels to say so.

    Reads verdicts and truths: 1/0, true/false, yes/no, accept/reject (the weak model's answer
    will do), tiers (small, medium, large; 1, 2, 3) or the better of two answers (A, B, tie; the
    other order in judge_swapped). Further runs of the judge are judge_2, judge_3 and so on. With
    weak_correct and strong_correct the break-even r* of the traffic is computed too; for tiers,
    small_correct and small_cost_usd and so on say what following the judge does. The gate passes
    when the one-sided 95 % lower bound of the accuracy exceeds both bars.

    `llmops judge-eval plan` says how many labels that takes.
    """
    _start_lean()
    from llmops_cli.judge import JudgeParameters
    from llmops_cli.judge import judge_eval as evaluate
    from llmops_cli.traffic.decisions import read_decisions

    given = {
        "judge": judge, "gold": gold, "score": score, "confidence": confidence,
        "cluster": cluster, "task": task, "propensity": propensity,
        "weak_correct": weak, "strong_correct": strong,
    }  # fmt: skip
    names = {ours: theirs for ours, theirs in given.items() if theirs}
    asked = JudgeParameters(
        threshold=threshold, against=against, level=level, seed=shared.seed, cut=cut,
        under_cost=under_cost, over_cost=over_cost, sequential=sequential,
        sprt=_pair(sprt), multiplicity=multiplicity,
    )  # fmt: skip
    wanted = tuple(name.strip() for name in tiers.split(",") if name.strip())
    decisions = read_decisions(paths, names=names, tiers=wanted, max_bad_rows=shared.max_bad_rows)
    say_bad_rows(decisions.bad_rows, shared)
    labels = decisions.labels
    before = (
        read_decisions(
            earlier,
            names=names,
            tiers=labels.names if labels.kind == "tiers" else (),
            max_bad_rows=shared.max_bad_rows,
        )
        if earlier
        else None
    )
    if before is not None:
        _require_same_kind(before.labels, labels, before.files)
    report = evaluate(
        decisions.columns,
        asked.of(labels.kind, labels.names),
        inputs=decisions.files,
        findings=(*bad_row_findings(decisions.bad_rows), *_unparsable(decisions.unparsable)),
        copies=decisions.copies,
        earlier=before.columns if before else None,
    )
    finish(report, shared)


def _start_lean() -> None:
    """Before numpy is loaded: a tenth of a short run goes to threads and garbage it has none of."""
    # Sums come out the same on any number of cores, too.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()


def _require_same_kind(before: "LabelSet", now: "LabelSet", files: Sequence[str]) -> None:
    if (before.kind, before.names) == (now.kind, now.names):
        return
    words = {"binary": "yes and no", "pairwise": "the better of two answers"}
    then, here = (words.get(each.kind, ", ".join(each.names)) for each in (before, now))
    raise LlmopsError(
        "judge-earlier-differs",
        f"the verdicts of the earlier log are {then}, those of this one {here}",
        hint="compare logs of one judge",
        file=", ".join(files[:2]),
        field="judge",
    )


def _unparsable(rows: "Sequence[BadRow]") -> tuple[Finding, ...]:
    if not rows:
        return ()
    first = rows[0]
    return (
        Finding(
            slug="judge-unparsable",
            severity="warning",
            message=f"{len(rows):,} verdicts cannot be read ({first.message}); they count as wrong "
            "where the truth is known",
            hint="mend the parsing of the judge's answers, or --tiers if they are classes",
            file=first.file,
            line=first.line,
            field=first.field,
            count=len(rows),
        ),
    )


def _pair(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise LlmopsError(
            "judge-bad-sprt",
            f"'{text}' is not two accuracies",
            hint="--sprt 0.78,0.85",
            exit_code=ExitCode.USAGE,
        ) from None
    return low, high


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "judge-eval",
        examples=(
            "llmops judge-eval decisions.csv",
            "llmops judge-eval decisions.csv --threshold 0.85 -f github -f junit=judge.xml",
            "llmops judge-eval outcomes.csv --weak mixtral-8x7b --strong gpt-4",
            "llmops judge-eval traces.jsonl --judge routing_judge --gold human --sequential",
        ),
    )(judge_eval)
    app.registered_commands[-1].cls = JudgeEval
