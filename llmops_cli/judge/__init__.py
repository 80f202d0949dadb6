"""Is the routing judge reliable enough? Its verdicts against the truth, decided on bounds.

A judge says per request whether the weak (cheap) model's answer will do. Its accuracy is
held against a threshold, or against the break-even r* = n01 / (n01 + n10) of the traffic.
"""

from collections.abc import Sequence

import pandas as pd

from llmops_cli.judge.model import AGAINST, JudgeParameters
from llmops_cli.judge.report import evaluate
from llmops_cli.report import Finding, Report

__all__ = ["AGAINST", "JudgeParameters", "judge_eval"]


def judge_eval(
    decisions: pd.DataFrame,
    parameters: JudgeParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Say how reliable a routing judge is, and whether there are enough labels to say so.

    Args:
        decisions: one row per decision with labels 1, 0 or 2 (none) in ``judge`` and ``gold``;
            ``weak_correct`` and ``strong_correct`` (the same labels), ``cluster``, ``task``
            (text), ``weak_cost_usd``, ``strong_cost_usd`` and ``judge_cost_usd`` are used
            where they are. Without ``gold`` the weak model's outcome is the truth.
        parameters: threshold and what the judge is held against; defaults ask for more than
            80 %.
        inputs: what the report names as its input.
        findings: what reading the decisions found; shown with ours.

    Returns:
        A report whose gate passes when the one-sided 95 % lower bound (Clopper-Pearson, or
        the cluster bootstrap where that is wider) exceeds the bar, fails when the upper
        bound does not, and is inconclusive in between.

    Raises:
        LlmopsError: ``judge-no-labels`` without any truth or pair of outcomes, and
            ``judge-no-outcomes`` when the break-even is asked for without both outcomes.
    """
    given = parameters or JudgeParameters()
    return evaluate(decisions, given, inputs=tuple(inputs), findings=tuple(findings))
