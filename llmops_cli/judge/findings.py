"""What the reader of a judge's figures must know about the labels behind them."""

import pandas as pd

from llmops_cli.judge.kernel import Tally
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Finding

__all__ = ["own_findings"]

_FEW_CLUSTERS = 20
_SUSPICIOUS = 50


def own_findings(
    decisions: pd.DataFrame, counts: Tally, found: Accuracy | None
) -> tuple[Finding, ...]:
    """Warnings about missing, one-sided, clustered or too perfect labels."""
    if found is None:
        return ()
    candidates = (
        _truth(decisions),
        _unlabelled(counts),
        _abstained(counts),
        _one_class(counts),
        _majority(counts, found),
        _perfect(counts, found),
        _clusters(found),
    )
    return tuple(item for item in candidates if item is not None)


def _truth(decisions: pd.DataFrame) -> Finding | None:
    if "gold" in decisions:
        return None
    return Finding(
        slug="judge-gold-from-outcome",
        severity="note",
        message="there is no gold column: the weak model's outcome is taken as the truth",
    )


def _unlabelled(counts: Tally) -> Finding | None:
    missing = counts.rows - counts.labelled
    if not missing:
        return None
    return Finding(
        slug="judge-unlabelled",
        severity="note",
        message=f"{missing:,} of {counts.rows:,} decisions have no truth and are left out",
        hint="the labelled ones must be a random sample, or the figures speak only of themselves",
        count=missing,
    )


def _abstained(counts: Tally) -> Finding | None:
    if not counts.abstained:
        return None
    return Finding(
        slug="judge-abstained",
        severity="warning",
        message=f"{counts.abstained:,} labelled decisions have no verdict and count as wrong",
        count=counts.abstained,
    )


def _one_class(counts: Tally) -> Finding | None:
    if counts.positives and counts.negatives:
        return None
    only = "will do" if counts.positives else "will not do"
    return Finding(
        slug="judge-one-class",
        severity="warning",
        message=f"in every labelled decision the weak answer {only}: "
        "nothing is known about the other case",
        hint="label decisions of both kinds",
    )


def _majority(counts: Tally, found: Accuracy) -> Finding | None:
    baseline = max(counts.positives, counts.negatives) / counts.labelled
    if found.value > baseline or not (counts.positives and counts.negatives):
        return None
    return Finding(
        slug="judge-no-better-than-constant",
        severity="warning",
        message=f"always giving the commoner answer is right in {100 * baseline:.1f} %, "
        f"the judge in {100 * found.value:.1f} %",
        hint="accuracy hides it: look at sensitivity, specificity and kappa",
    )


def _perfect(counts: Tally, found: Accuracy) -> Finding | None:
    if found.correct < counts.labelled or counts.labelled < _SUSPICIOUS:
        return None
    return Finding(
        slug="judge-labels-identical",
        severity="warning",
        message=f"verdict and truth agree in all {counts.labelled:,} decisions",
        hint="check that the labels do not come from the judge itself",
    )


def _clusters(found: Accuracy) -> Finding | None:
    if not 0 < found.clusters < _FEW_CLUSTERS:
        return None
    one = found.clusters == 1
    return Finding(
        slug="judge-few-clusters",
        severity="warning",
        message="all decisions are of one cluster: nothing is known about others"
        if one
        else f"only {found.clusters} clusters: intervals from so few are too short",
        hint="label decisions of more conversations, templates or users",
        count=found.clusters,
    )
