"""What the reader of a judge's figures must know about the labels behind them."""

import numpy as np

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.economics import BreakEven
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Finding

__all__ = ["own_findings"]

_FEW_CLUSTERS = 20


def own_findings(
    given: Cases, parameters: JudgeParameters, found: Accuracy | None, even: BreakEven | None
) -> tuple[Finding, ...]:
    """Warnings about missing, one-sided or clustered labels."""
    if found is None:
        return ()
    candidates = (
        _abstained(given),
        _missing_tier(given, parameters),
        _majority(given, found),
        _clusters(found),
        _no_outcomes(parameters, even),
        _gold_from_outcome(given),
        _unlabelled(given),
        _without_confidence(given),
        *_unused(given, parameters),
    )
    return tuple(item for item in candidates if item is not None)


def _unused(given: Cases, parameters: JudgeParameters) -> tuple[Finding, ...]:
    """Options that were given and change nothing here, so that nobody takes them for applied."""
    costs = (parameters.under_cost, parameters.over_cost) != (1.0, 1.0)
    one_task = "task" not in given.columns or len(set(given.texts("task").tolist())) == 1
    control, pair = parameters.multiplicity, {"weak_correct", "strong_correct"}
    named = (
        ("--under-cost and --over-cost", costs and parameters.kind == "pairwise",
         "in a pair no answer is the cheaper one"),
        (f"--multiplicity {control}", control != "holm" and one_task,
         "there is no column of tasks, or one task alone"),
        ("the outcomes of a weak and a strong model",
         parameters.kind != "binary" and bool(pair & given.columns.keys()),
         "the verdicts are no yes and no about the weak one's answer"),
    )  # fmt: skip
    return tuple(
        Finding(slug="judge-option-unused", severity="note", message=f"unused: {option}; {why}")
        for option, unused, why in named
        if unused
    )


def _no_outcomes(parameters: JudgeParameters, even: BreakEven | None) -> Finding | None:
    if parameters.against != "both" or even is not None or parameters.kind != "binary":
        return None
    return Finding(
        slug="judge-threshold-alone",
        severity="note",
        message="without both models' outcomes there is no break-even: the threshold alone decides",
        hint="weak_correct and strong_correct, of a random sample, give it",
    )


def _gold_from_outcome(given: Cases) -> Finding | None:
    if not given.from_outcome:
        return None
    return Finding(
        slug="judge-gold-from-outcome",
        severity="note",
        message="there is no gold column: the weak model's outcome is taken as the truth"
        if "weak_correct" in given.columns
        else "there is no gold column: the cheapest tier with the best outcome is the truth",
    )


def _unlabelled(given: Cases) -> Finding | None:
    missing = len(given.gold) - int(given.labelled.sum())
    if not missing:
        return None
    return Finding(
        slug="judge-unlabelled",
        severity="note",
        message=f"{missing:,} of {len(given.gold):,} decisions have no truth and are left out",
        hint="the labelled ones must be a random sample, or the figures speak only of themselves",
        count=missing,
    )


def _abstained(given: Cases) -> Finding | None:
    silent = int(given.table[-1].sum())
    if not silent:
        return None
    return Finding(
        slug="judge-abstained",
        severity="warning",
        message=f"{silent:,} labelled decisions have no verdict and count as wrong",
        count=silent,
    )


def _missing_tier(given: Cases, parameters: JudgeParameters) -> Finding | None:
    counts = given.table.sum(axis=0)
    absent = [name for name, n in zip(given.names, counts, strict=True) if not n]
    # Truths of one kind alone are a matter of the audit.
    if parameters.kind != "tiers" or not absent or (counts > 0).sum() == 1:
        return None
    return Finding(
        slug="judge-missing-tier",
        severity="warning",
        message=f"no decision truly needs {' or '.join(absent)}: nothing is known about it",
        hint="label decisions of every tier",
    )


def _majority(given: Cases, found: Accuracy) -> Finding | None:
    counts = given.table.sum(axis=0)
    baseline = int(counts.max()) / found.labelled
    if found.value > baseline or (counts > 0).sum() < 2:  # noqa: PLR2004 - both kinds
        return None
    return Finding(
        slug="judge-no-better-than-constant",
        severity="warning",
        message=f"always giving the commoner answer is right in {100 * baseline:.1f} %, "
        f"the judge in {100 * found.value:.1f} %",
        hint="accuracy hides it: look at sensitivity, specificity and kappa",
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


def _without_confidence(given: Cases) -> Finding | None:
    if "confidence" not in given.columns:
        return None
    values = given.floats("confidence")
    lacking = int((given.answered & ~np.isfinite(values)).sum())
    if not lacking:
        return None
    return Finding(
        slug="judge-without-confidence",
        severity="note",
        message=f"{lacking:,} verdicts state no confidence and are left out of the calibration",
        field="confidence",
        count=lacking,
    )
