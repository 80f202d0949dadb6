"""Agreement beyond the bare share: what chance, the commoner class and distance take off it."""

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate, share
from llmops_cli.judge.weighted import table_interval
from llmops_cli.report import Measure
from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.balanced_agreement import (
    balanced_accuracy,
    gwet_ac1,
    gwet_interval,
    matthews_correlation,
)
from llmops_cli.stats.bootstrap import percentiles
from llmops_cli.stats.informedness import informedness
from llmops_cli.stats.intervals import Interval
from llmops_cli.stats.krippendorff import krippendorff_interval_of_two, krippendorff_of_two
from llmops_cli.stats.ordinal_agreement import (
    mean_cost,
    quadratic_weights,
    weighted_kappa,
    weighted_kappa_interval,
)

__all__ = ["agreement", "cost_error", "kappa", "macro_f1"]

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
Exact = Callable[[npt.NDArray[np.int64], float], Interval]

_FEW = 2
_RESAMPLES = 1000


def kappa(given: Cases, parameters: JudgeParameters) -> Measure:
    """Cohen's kappa of verdict and truth, where both are known."""
    weights = np.eye(len(given.names))
    return _measure(
        ("cohens_kappa", "Cohen's kappa"),
        given,
        parameters,
        lambda tables: weighted_kappa(tables, weights),
        lambda table, level: weighted_kappa_interval(table, weights, level),
    )


def agreement(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Balanced accuracy, Matthews, AC1, alpha, and what suits the kind of verdicts."""
    k = len(given.names)
    found = [
        _measure(
            ("balanced_accuracy", "balanced accuracy"), given, parameters, balanced_accuracy,
            _balanced if k == _FEW else None,
        ),
        _measure(
            ("matthews_correlation", "Matthews correlation"), given, parameters,
            matthews_correlation, None,
        ),
        _measure(
            ("gwet_ac1", "Gwet's AC1"), given, parameters, gwet_ac1,
            gwet_interval,
        ),
        _alpha(given, parameters),
    ]  # fmt: skip
    if parameters.kind == "tiers":
        weights = quadratic_weights(k)
        found += [
            _measure(
                ("quadratic_kappa", "quadratically weighted kappa"), given, parameters,
                lambda tables: weighted_kappa(tables, weights),
                lambda table, level: weighted_kappa_interval(table, weights, level),
            ),
            _measure(("macro_f1", "macro F1"), given, parameters, macro_f1, None),
        ]  # fmt: skip
    return tuple(found)


def cost_error(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """How often the judge routes too cheap or too dear, and what an error costs on average."""
    costs = _costs(len(given.names), parameters)
    known, cheaper = given.labelled, np.zeros(len(given.gold), np.bool_)
    dearer = cheaper.copy()
    pairs = given.judge[given.answered], given.gold[given.answered]
    cheaper[given.answered] = _cheaper(len(given.names))[pairs] == 1
    dearer[given.answered] = _cheaper(len(given.names)).T[pairs] == 1
    return (
        share(("under_routed", "routed too cheap"), given, (known, cheaper), parameters),
        share(("over_routed", "routed too dear"), given, (known, dearer), parameters),
        _measure(
            ("cost_weighted_error", "cost-weighted error"), given, parameters,
            lambda tables: mean_cost(tables, costs), None,
        ),
    )  # fmt: skip


def macro_f1(tables: Floats) -> Floats:
    """Mean F1 over the classes; a class that neither side uses counts as 0.

    Args:
        tables: ``(..., k, k)`` counts, rows by the rater, columns by the truth.
    """
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    uses = tables.sum(axis=-1) + tables.sum(axis=-2)
    return np.asarray((2 * hits / np.maximum(uses, 1)).mean(axis=-1))


def _cheaper(k: int) -> npt.NDArray[np.int64]:
    """1 where the verdict's tier is cheaper than the truth's; accepting is the cheap tier."""
    below = np.triu(np.ones((k, k), np.int64), 1)
    return below.T if k == _FEW else below


def _costs(k: int, parameters: JudgeParameters) -> Floats:
    steps = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    cheaper = _cheaper(k)
    return np.asarray(
        steps * (parameters.under_cost * cheaper + parameters.over_cost * cheaper.T), np.float64
    )


def _balanced(table: npt.NDArray[np.int64], level: float) -> Interval:
    known = Confusion(
        tp=int(table[1, 1]), fp=int(table[1, 0]), tn=int(table[0, 0]), fn=int(table[0, 1])
    )
    return informedness(known, level).balanced_accuracy


def _measure(
    names: tuple[str, str],
    given: Cases,
    parameters: JudgeParameters,
    statistic: Statistic,
    exact: Exact | None,
) -> Measure:
    table, level = given.pairs, parameters.level
    n = int(given.answered.sum())
    value = float(statistic(table[None])[0]) if n else float("nan")
    if not np.isfinite(value):
        return estimate(
            *names, None, None, level=level, n=n, unit="",
            method="undefined: one answer throughout",
        )  # fmt: skip
    interval, method = _interval(given, parameters, statistic, exact)
    return estimate(*names, value, interval, level=level, n=n, unit="", method=method)


def _interval(
    given: Cases, parameters: JudgeParameters, statistic: Statistic, exact: Exact | None
) -> tuple[Interval | None, str]:
    if given.weights is not None:
        found = table_interval(given, statistic, given.pairs, parameters.level)
        return found, "weighted by 1 / propensity; linearised"
    table, level, seed = given.table[:-1], parameters.level, parameters.seed
    clusters = given.cluster_tables
    if clusters is None and exact is not None:
        return exact(table, level), "large-sample"
    if clusters is not None and len(clusters) < _FEW:
        return None, "one cluster: no interval"
    interval = percentiles(statistic(given.resampled(_RESAMPLES, seed)), level)
    what = "bootstrap" if clusters is None else "cluster bootstrap"
    return interval, f"{what}, {_RESAMPLES:,} resamples"


def _alpha(given: Cases, parameters: JudgeParameters) -> Measure:
    scale = "ordinal" if parameters.kind == "tiers" else "nominal"
    if given.weights is not None:
        names = "krippendorff_alpha", f"Krippendorff's alpha, {scale}"
        of_two = functools.partial(krippendorff_of_two, scale=scale)
        return _measure(names, given, parameters, of_two, None)
    name, label = "krippendorff_alpha", f"Krippendorff's alpha, {scale}"
    n, table = int(given.answered.sum()), given.pairs
    # Classes that nobody uses are none of the scale.
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    table = table[np.ix_(used, used)]
    value = float(krippendorff_of_two(table[None], scale)[0]) if n else float("nan")
    over, interval = "decisions" if given.clusters is None else "clusters", None
    tables, counts = _units(given, table, used)
    if np.isfinite(value) and (len(tables) if counts is None else n) >= _FEW:
        interval = krippendorff_interval_of_two(
            tables, scale, counts=counts,
            level=parameters.level, resamples=_RESAMPLES, seed=parameters.seed,
        )  # fmt: skip
    return estimate(
        name, label, value, interval,
        level=parameters.level, n=n, unit="",
        method=f"bootstrap over {over}, {_RESAMPLES:,} resamples",
    )  # fmt: skip


def _units(
    given: Cases, table: Floats, used: npt.NDArray[np.intp]
) -> tuple[Floats, npt.NDArray[np.int64] | None]:
    """Tables of what is resampled, and how often each comes: clusters, or else single decisions."""
    if given.cluster_tables is not None:
        return given.cluster_tables[:, used[:, None], used].astype(np.float64), None
    cells = table.ravel().astype(np.int64)
    single = np.eye(cells.size).reshape(-1, *table.shape)
    return single[cells > 0], cells[cells > 0]
