"""Truths that are all of one kind show half of the judge, and half a judge does not pass."""

import numpy as np

from llmops_cli.judge.cases import Cases
from llmops_cli.report import Check, Finding, Measure, Verdict

__all__ = ["ONE_KIND", "both_kinds", "one_kind"]

ONE_KIND = "judge-one-class"
"""Slug of the finding."""


def one_kind(given: Cases) -> Finding | None:
    """The finding, where every truth is the same."""
    counts = given.table.sum(axis=0)
    if (counts > 0).sum() != 1:
        return None
    only = int(counts.argmax())
    said = f"the truth is {given.names[only]}"
    if len(given.names) == 2:  # noqa: PLR2004 - yes and no
        said = f"the weak answer {'will do' if only else 'will not do'}"
    return Finding(
        slug=ONE_KIND,
        severity="warning",
        message=f"in every labelled decision {said}: nothing is known about the other case",
        hint="label decisions of every kind",
    )


def both_kinds(given: Cases, found: Finding) -> Check:
    """The check that such labels leave open: the errors that cost most may be the unseen ones."""
    return Check(
        name="the truth is of more than one kind",
        measure=Measure(
            name="distinct_truths", label="different truths", value=1.0, unit="count",
            n=int(np.count_nonzero(given.labelled)), method="log audit",
        ),
        on="value",
        op=">",
        bound=1.0,
        verdict=Verdict.INCONCLUSIVE,
        reason=found.message,
        needed="labels of the other case, as many as the traffic has",
    )  # fmt: skip
