"""The tables of the report: verdicts against truth, tasks with claims that hold together."""

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases, numbered
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.weighted import effective_rows, weighted_interval
from llmops_cli.report import Column, Scalar, Table
from llmops_cli.stats.beta import beta_below
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.intervals import Interval, clopper_pearson, wilson
from llmops_cli.stats.multiplicity import benjamini_hochberg, holm

__all__ = ["confusion", "recalls", "tasks"]

_FEW = 2
_ALPHA = 0.05


def confusion(given: Cases, kind: str) -> Table:
    """Verdict against truth; the last row is no verdict, where there is any."""
    table = given.table
    if kind == "binary":
        names = ("accepted: the weak answer goes out", "escalated to the strong model")
        rows: list[tuple[Scalar, ...]] = [
            (name, int(table[code, 1]), int(table[code, 0]))
            for name, code in zip(names, (1, 0), strict=True)
        ]
        columns = [
            Column(name="will_do", label="weak will do", unit="count"),
            Column(name="will_not_do", label="will not do", unit="count"),
        ]
        silent: tuple[Scalar, ...] = (int(table[2, 1]), int(table[2, 0]))
    else:
        rows = [(name, *map(int, table[code])) for code, name in enumerate(given.names)]
        columns = [
            Column(name=f"truth_{name}", label=f"truly {name}", unit="count")
            for name in given.names
        ]
        silent = tuple(map(int, table[-1]))
    if table[-1].any():
        rows.append(("no verdict: counts as wrong", *silent))
    head = Column(name="verdict", label="the judge's verdict")
    return Table(
        name="confusion",
        title="Verdicts and truth",
        columns=(head, *columns),
        rows=tuple(rows),
    )


def recalls(given: Cases, level: float) -> Table:
    """Of each class of truth the share that the judge finds, with the exact interval."""
    rows: list[tuple[Scalar, ...]] = []
    for code, name in enumerate(given.names):
        hits, n = int(given.table[code, code]), int(given.table[:, code].sum())
        if n:
            value, around = _found(given, code, (hits, n), level)
            rows.append((name, n, value, around.low, around.high))
        else:
            rows.append((name, 0, None, None, None))
    return Table(
        name="recalls",
        title="By class of the truth",
        columns=(
            Column(name="class", label="truth"),
            Column(name="labelled", label="labels", unit="count"),
            Column(name="recall", label="found", unit="share"),
            Column(name="low", label="low", unit="share"),
            Column(name="high", label="high", unit="share"),
        ),
        rows=tuple(rows),
        note=f"{_intervals_of(given, 'Clopper-Pearson')}, {100 * level:g} %; a class without "
        "labels is unknown",
    )


def _found(
    given: Cases, code: int, counts: tuple[int, int], level: float
) -> tuple[float, Interval]:
    (hits, n), rows = counts, given.gold == code
    found = (given.judge == code)[rows].astype(np.float64)
    if given.weights is not None:
        return given.mean(found, rows), weighted_interval(given, found, rows, level)
    if given.clusters is None:
        return hits / n, clopper_pearson(hits, n, level)
    return hits / n, _of_clusters(given.sums(found, rows), hits, level)


def _of_clusters(sums: npt.NDArray[np.float64], hits: int, level: float) -> Interval:
    # One cluster says nothing about another.
    few = len(sums) < _FEW
    return Interval(0.0, 1.0) if few else clustered_share_interval(hits, clustering(sums), level)


def _intervals_of(given: Cases, alone: str) -> str:
    if given.weights is not None:
        return "weighted by 1 / propensity; intervals at the effective sample size"
    return f"{alone} intervals" if given.clusters is None else "intervals over clusters"


def tasks(given: Cases, parameters: JudgeParameters) -> Table | None:
    """Accuracy by task, and of which tasks it is shown that they pass or miss the threshold."""
    if "task" not in given.columns:
        return None
    parts = [
        (str(task) or "(none)", np.asarray(rows, dtype=np.int64))
        for task, rows in sorted(_groups(given.texts("task")).items())
    ]
    if len(parts) < _FEW:
        return None
    shown = [_task(given, name, rows, parameters) for name, rows in parts]
    claims = _claims([item[1] for item in shown], parameters)
    rows = tuple((*row, claim) for (row, _), claim in zip(shown, claims, strict=True))
    columns = [
        Column(name="task", label="task"),
        Column(name="labelled", label="labels", unit="count"),
        Column(name="accuracy", label="accuracy", unit="share"),
        Column(name="low", label="low", unit="share"),
        Column(name="high", label="high", unit="share"),
        Column(name="majority", label="commoner", unit="share"),
        Column(name="break_even", label="r*", unit="share"),
        Column(name="claim", label=f"{100 * parameters.threshold:g} %"),
    ]
    control = {"holm": "Holm: no false claim", "bh": "Benjamini-Hochberg: few false claims"}
    return Table(
        name="tasks",
        title="By task",
        columns=tuple(columns),
        rows=rows,
        note=f"{_intervals_of(given, 'Wilson')}, {100 * parameters.level:g} %, each task alone; "
        "above or below "
        f"over all tasks together ({control[parameters.multiplicity]})",
    )


def _groups(names: npt.NDArray[np.object_]) -> dict[str, npt.NDArray[np.intp]]:
    values, codes = numbered(names)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(values) + 1))
    return {str(value): order[starts[at] : starts[at + 1]] for at, value in enumerate(values)}


def _task(
    given: Cases, name: str, rows: npt.NDArray[np.int64], parameters: JudgeParameters
) -> tuple[tuple[Scalar, ...], tuple[float, float]]:
    gold, judge = given.gold[rows], given.judge[rows]
    known = gold != given.missing
    right = (judge == gold)[known]
    n = int(known.sum())
    even = _break_even(given, rows)
    if not n:
        return (name, 0, None, None, None, None, even), (0.0, 0.0)
    chosen = np.zeros(len(given.gold), np.bool_)
    chosen[rows[known]] = True
    value, around, effective = _accuracy(given, chosen, right, parameters.level)
    weights = None if given.weights is None else given.weights[chosen]
    truths = np.bincount(gold[known], weights)
    majority = float(truths.max() / truths.sum())
    row = (name, n, value, around.low, around.high, majority, even)
    return row, (value * effective, effective)


def _accuracy(
    given: Cases, chosen: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], level: float
) -> tuple[float, Interval, float]:
    """Share of right decisions of a task, its interval, and the independent rows it is worth."""
    found, n, hits = right.astype(np.float64), len(right), int(right.sum())
    if given.weights is not None:
        value, size = given.mean(found, chosen), effective_rows(given, found, chosen)
        return value, weighted_interval(given, found, chosen, level), size
    if given.clusters is None:
        return hits / n, wilson(hits, n, level), float(n)
    sums = given.sums(found, chosen)
    effect = clustering(sums).design_effect if len(sums) >= _FEW else float(n)
    return hits / n, _of_clusters(sums, hits, level), n / effect


def _break_even(given: Cases, rows: npt.NDArray[np.int64]) -> float | None:
    if not {"weak_correct", "strong_correct"} <= given.columns.keys():
        return None
    weak, strong = (given.codes(name)[rows] for name in ("weak_correct", "strong_correct"))
    weights = np.ones(len(rows))
    if given.weights is not None:
        weights = np.where(given.gold[rows] == given.missing, 0.0, given.weights[rows])
    only_strong = float(weights[(weak == 0) & (strong == 1)].sum())
    only_weak = float(weights[(weak == 1) & (strong == 0)].sum())
    both = only_strong + only_weak
    return only_strong / both if both else None


def _claims(counts: list[tuple[float, float]], parameters: JudgeParameters) -> list[str]:
    bar = parameters.threshold
    above: list[float] = []
    below: list[float] = []
    for hits, n in counts:
        # The binomial tails at an effective number of rows, which need not be whole.
        above.append(beta_below(hits, n - hits + 1, bar) if hits > 0 else 1.0)
        below.append(1 - beta_below(hits + 1, n - hits, bar) if hits < n else 1.0)
    adjust = holm if parameters.multiplicity == "holm" else benjamini_hochberg
    over, under = (adjust(np.array(p)) for p in (above, below))
    return [
        "above" if a <= _ALPHA else "below" if b <= _ALPHA else "open"
        for a, b in zip(over, under, strict=True)
    ]
