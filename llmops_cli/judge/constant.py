"""A judge that always says the same is no judge, however often it is right."""

import numpy as np

from llmops_cli.judge.cases import Cases, Ints
from llmops_cli.report import Check, Finding, Measure, Verdict

__all__ = ["CONSTANT", "constant_verdict", "tells_apart"]

CONSTANT = "judge-constant"
"""Slug of the finding."""

_ENOUGH = 10


def constant_verdict(given: Cases) -> Finding | None:
    """The finding, where all verdicts are the same."""
    said = _said(given)
    if (said > 0).sum() != 1:
        return None
    return Finding(
        slug=CONSTANT,
        severity="error",
        message=f"the judge says '{given.names[int(said.argmax())]}' in all verdicts "
        f"({int(said.sum()):,}): it tells no request from another",
        hint="is the prompt's answer parsed rightly, and is the cut of a score right?",
    )


def tells_apart(given: Cases, found: Finding) -> Check:
    """The check that such a judge cannot pass: a rule without a judge does as well.

    It fails where ten truths or more are another than what the judge always says; with fewer a
    longer log may still show that it tells them apart.
    """
    said = _said(given)
    truths = given.table.sum(axis=0)
    others = int(truths.sum() - truths[int(said.argmax())])
    shown = others >= _ENOUGH
    return Check(
        name="the judge tells requests apart",
        measure=Measure(
            name="distinct_verdicts", label="different verdicts", value=1.0, unit="count",
            n=int(said.sum()), method="log audit",
        ),
        on="value",
        op=">",
        bound=1.0,
        verdict=Verdict.FAIL if shown else Verdict.INCONCLUSIVE,
        reason=f"{found.message}; {others:,} truths are another",
        needed="" if shown else "a longer log, in which the judge says something else too",
    )  # fmt: skip


def _said(given: Cases) -> Ints:
    return np.bincount(given.judge, minlength=given.missing)[: given.missing].astype(np.int64)
