"""Is the routing judge reliable enough? Its verdicts against the truth, decided on bounds.

A judge says per request whether the weak (cheap) model's answer will do. Its accuracy is
held against a threshold, or against the break-even r* = n01 / (n01 + n10) of the traffic.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from llmops_cli.judge.model import AGAINST, JudgeParameters
from llmops_cli.judge.report import Question, evaluate
from llmops_cli.report import Finding, Report

if TYPE_CHECKING:
    import pandas as pd

    from llmops_cli.judge.label_plan import plan_labels
    from llmops_cli.judge.label_strata import PlanParameters, Stratum

__all__ = [
    "AGAINST",
    "JudgeParameters",
    "PlanParameters",
    "Stratum",
    "judge_eval",
    "plan_labels",
]

_PLANNING = {
    "PlanParameters": "label_strata",
    "Stratum": "label_strata",
    "plan_labels": "label_plan",
}


def __getattr__(name: str) -> object:
    """Import what plans labels when it is first asked for: to evaluate a judge takes none of it."""
    if name in _PLANNING:
        return getattr(import_module(f"{__name__}.{_PLANNING[name]}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def judge_eval(
    decisions: "pd.DataFrame | Mapping[str, npt.NDArray[Any]]",
    parameters: JudgeParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
    copies: Sequence[str] = (),
    earlier: "pd.DataFrame | Mapping[str, npt.NDArray[Any]] | None" = None,
) -> Report:
    """Say how reliable a routing judge is, and whether there are enough labels to say so.

    Args:
        decisions: one row per decision, in a data frame or as arrays by column, with the code of
            a label in ``judge`` and ``gold``: 1 the weak answer will do, 0 it will not, 2 no
            label (for other kinds of verdicts the codes of ``parameters.names``, and their
            number for none). Used where they are:
            ``score`` instead of a verdict, ``confidence``, ``judge_swapped`` (the same pair in
            the other order), ``judge_2`` … (the same decision again), ``weak_correct`` and
            ``strong_correct`` (1, 0, 2), ``cluster``, ``task``, ``timestamp`` (seconds since
            1970), ``length``, and costs and latencies. Without ``gold`` the weak model's
            outcome is the truth.
        parameters: threshold and what the judge is held against; defaults ask for more than
            80 %, and more than the break-even where both outcomes are known.
        inputs: what the report names as its input.
        findings: what reading the decisions found; shown with ours.
        copies: names of other columns of the log that repeat the truth.
        earlier: decisions of an earlier log, to compare with.

    Returns:
        A report whose gate passes when the one-sided 95 % lower bound (Clopper-Pearson, wider
        with clusters) exceeds the bar, fails when the upper bound does not, and is
        inconclusive in between.

    Raises:
        LlmopsError: ``judge-no-labels`` without any truth or pair of outcomes,
            ``judge-all-abstained`` without any verdict on a labelled row, ``judge-no-outcomes``
            when the break-even alone is asked for without both outcomes, and ``judge-no-cut``
            for scores that no cut turns into verdicts.
    """
    question = Question(
        inputs=tuple(inputs), findings=tuple(findings), copies=tuple(copies), earlier=earlier
    )
    return evaluate(decisions, parameters or JudgeParameters(), question)
