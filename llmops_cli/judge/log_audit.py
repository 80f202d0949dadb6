"""Can these labels judge a judge at all? Asked before any figure is believed.

Some findings only warn. Labels that come from the judge itself leave the verdict open, whatever
the figures say; a judge that always says the same does not pass, nor one that is held against
truths of one kind; a log in which nothing can be compared is refused.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.cases import Cases
from llmops_cli.judge.constant import constant_verdict, tells_apart
from llmops_cli.judge.one_kind import both_kinds, one_kind
from llmops_cli.report import Check, Column, Finding, Measure, Table, Verdict
from llmops_cli.stats.multiplicity import holm

__all__ = ["Audit", "audit", "refuse"]

_SUSPICIOUS, _CERTAIN, _LEAST_OF_A_KIND = 50, 300, 10
_DAY_S = 86_400.0
_ALPHA = 0.01
_FEW = 2
_FEWEST_A_DAY = 5


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found: words, the checks it takes away from a PASS, and the days."""

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    tables: tuple[Table, ...]


def refuse(given: Cases) -> None:
    """Refuse a log in which no verdict meets a truth.

    Raises:
        LlmopsError: ``judge-all-abstained``.
    """
    if "judge" in given.columns and given.labelled.any() and not given.answered.any():
        raise LlmopsError(
            "judge-all-abstained",
            f"none of the {int(given.labelled.sum()):,} labelled decisions has a verdict",
            hint="is --judge the right column? an empty verdict is an abstention",
            field="judge",
        )


def audit(given: Cases, copies: tuple[str, ...] = ()) -> Audit:
    """Everything that speaks against the labels.

    Args:
        given: the decisions.
        copies: names of other columns of the log that repeat the truth.
    """
    if not given.answered.any():
        return Audit((), (), ())
    own = _own_labels(given)
    same = _identical(given)
    days, table = _days(given)
    constant, single = constant_verdict(given), one_kind(given)
    candidates = (own, same, constant, single, _leak(given), _copied(copies), *days)
    checks = [_open(item) for item in (own, same) if item and item.severity == "error"]
    checks += [tells_apart(given, constant)] if constant else []
    # A judge that says one thing where one thing is true is already left open.
    checks += [both_kinds(given, single)] if single and not constant else []
    return Audit(tuple(item for item in candidates if item is not None), tuple(checks), table)


def _own_labels(given: Cases) -> Finding | None:
    if not {"labeller", "judge_model"} <= given.columns.keys():
        return None
    who, judge = (given.texts(name) for name in ("labeller", "judge_model"))
    own = int(((who == judge) & (judge != "") & given.labelled).sum())
    if not own:
        return None
    return Finding(
        slug="judge-labels-itself",
        severity="error",
        message=f"{own:,} of {int(given.labelled.sum()):,} truths were labelled by the judge's "
        "own model",
        hint="let people, or at least another model, label a random sample",
        field="labeller",
        count=own,
    )


def _identical(given: Cases) -> Finding | None:
    n = int(given.answered.sum())
    if n < _SUSPICIOUS or given.right.sum() < len(given.right):
        return None
    both = len(np.unique(given.gold[given.labelled])) >= _FEW
    return Finding(
        slug="judge-labels-identical",
        severity="error" if n >= _CERTAIN and both else "warning",
        message=f"verdict and truth agree in all {n:,} decisions",
        hint="check that the labels do not come from the judge itself",
    )


def _open(finding: Finding) -> Check:
    return Check(
        name="the truth does not come from the judge",
        measure=Measure(
            name="independent_labels", label="labels shown to be independent", value=None,
            unit="share", n=finding.count, method="log audit",
        ),
        on="value",
        op=">",
        bound=0.0,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{finding.message}: such labels cannot judge the judge",
        needed="a random sample labelled by somebody who has not seen the verdicts",
    )  # fmt: skip


def _leak(given: Cases) -> Finding | None:
    """A confidence or score that splits the truth without one error has seen it."""
    for name in ("score", "confidence"):
        if name in given.columns and len(given.names) == _FEW:
            values = given.floats(name)
            if name == "confidence":
                values = np.where(given.judge == 1, values, 1 - values)
            rows = given.answered & np.isfinite(values)
            if _splits(values[rows], given.gold[rows]):
                return Finding(
                    slug="judge-truth-leaks",
                    severity="warning",
                    message=f"'{name}' tells the two truths apart without one error in "
                    f"{int(rows.sum()):,} decisions",
                    hint="does the judge see the truth, or something made from it?",
                    field=name,
                )
    return None


def _splits(values: npt.NDArray[np.float64], gold: npt.NDArray[np.int64]) -> bool:
    yes, no = values[gold == 1], values[gold == 0]
    enough = len(values) >= _SUSPICIOUS and min(len(yes), len(no)) >= _LEAST_OF_A_KIND
    return enough and bool(yes.min() > no.max())


def _copied(copies: tuple[str, ...]) -> Finding | None:
    if not copies:
        return None
    return Finding(
        slug="judge-truth-repeated",
        severity="warning",
        message=f"{len(copies)} other column{'s' * (len(copies) > 1)} of the log "
        f"say{'s' * (len(copies) == 1)} what the truth says: {', '.join(copies[:4])}",
        hint="if the judge reads such a field, it is told the answer",
        field=copies[0],
        count=len(copies),
    )


def _days(given: Cases) -> tuple[tuple[Finding, ...], tuple[Table, ...]]:
    if "timestamp" not in given.columns:
        return (), ()
    times = given.floats("timestamp")
    rows = given.answered & np.isfinite(times)
    if not rows.any():
        return (), ()
    numbers, codes = np.unique(np.floor(times[rows] / _DAY_S), return_inverse=True)
    n, right, said = (
        np.bincount(codes, weights=values[rows].astype(np.float64)).astype(np.float64)
        for values in (
            np.ones(len(rows)),
            given.judge == given.gold,
            given.judge == given.missing - 1,
        )
    )
    if len(numbers) < _FEW:
        return (), ()
    enough = n >= _FEWEST_A_DAY
    p_values = holm(np.array([_homogeneous(k[enough], n[enough]) for k in (right, said)]))
    words = ("the judge's accuracy", f"the share of '{given.names[-1]}' verdicts")
    findings = tuple(
        _shift(what, k / n, enough)
        for what, k, p in zip(words, (right, said), p_values, strict=True)
        if p < _ALPHA
    )
    return findings, (_day_table(numbers, n, right, said, given.names[-1]),)


def _homogeneous(hits: npt.NDArray[np.float64], n: npt.NDArray[np.float64]) -> float:
    """Pearson's chi-square test that all days have the same share."""
    from scipy.special import chdtrc  # noqa: PLC0415 - scipy is slow to load

    if len(n) < _FEW:
        return 1.0
    share = hits.sum() / n.sum()
    if not 0 < share < 1:
        return 1.0
    squared = float(((hits - n * share) ** 2 / (n * share * (1 - share))).sum())
    return float(chdtrc(len(n) - 1, squared))


def _shift(what: str, shares: npt.NDArray[np.float64], enough: npt.NDArray[np.bool_]) -> Finding:
    low, high = float(shares[enough].min()), float(shares[enough].max())
    return Finding(
        slug="judge-days-differ",
        severity="warning",
        message=f"{what} runs from {100 * low:.1f} % to {100 * high:.1f} % by day, more than "
        "chance explains",
        hint="look at what changed: the prompt, the model behind the judge, or the traffic",
        field="timestamp",
    )


def _day_table(
    numbers: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
    said: npt.NDArray[np.float64],
    last: str,
) -> Table:
    days = [str(np.datetime64(int(day), "D")) for day in numbers.tolist()]
    return Table(
        name="days",
        title="By day",
        columns=(
            Column(name="day", label="day"),
            Column(name="labelled", label="labels", unit="count"),
            Column(name="accuracy", label="accuracy", unit="share"),
            Column(name="said", label=f"verdict {last}", unit="share"),
        ),
        rows=tuple(
            (day, int(count), float(r / count), float(s / count))
            for day, count, r, s in zip(
                days, n.tolist(), right.tolist(), said.tolist(), strict=True
            )
        ),
    )
