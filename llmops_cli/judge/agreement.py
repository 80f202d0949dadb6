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
from llmops_cli.stats.informedness import informedness
from llmops_cli.stats.intervals import Interval
from llmops_cli.stats.krippendorff import (
    krippendorff_alpha,
    krippendorff_interval,
    krippendorff_of_two,
)
from llmops_cli.stats.ordinal_agreement import (
    mean_cost,
    quadratic_weights,
    weighted_kappa,
    weighted_kappa_interval,
)
from llmops_cli.stats.table_bootstrap import bootstrap_clustered_table, bootstrap_table

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
    if clusters is None:
        return (
            bootstrap_table(table, statistic, level=level, resamples=_RESAMPLES, seed=seed),
            f"bootstrap, {_RESAMPLES:,} resamples",
        )
    if len(clusters) < _FEW:
        return None, "one cluster: no interval"
    return (
        bootstrap_clustered_table(
            clusters, statistic, level=level, resamples=_RESAMPLES, seed=seed
        ),
        f"cluster bootstrap, {_RESAMPLES:,} resamples",
    )


def _alpha(given: Cases, parameters: JudgeParameters) -> Measure:
    scale = "ordinal" if parameters.kind == "tiers" else "nominal"
    if given.weights is not None:
        names = "krippendorff_alpha", f"Krippendorff's alpha, {scale}"
        of_two = functools.partial(krippendorff_of_two, scale=scale)
        return _measure(names, given, parameters, of_two, None)
    ratings = np.stack([given.judge, given.gold]).astype(np.float64)
    ratings[ratings == given.missing] = np.nan
    ratings = ratings[:, given.answered]
    name, label = "krippendorff_alpha", f"Krippendorff's alpha, {scale}"
    value = krippendorff_alpha(ratings, scale) if ratings.size else float("nan")
    interval = None
    clusters = None if given.clusters is None else _own(given)
    units = ratings.shape[1] if clusters is None else len(np.unique(clusters))
    if np.isfinite(value) and units >= _FEW:
        interval = krippendorff_interval(
            ratings, scale, clusters=clusters,
            level=parameters.level, resamples=_RESAMPLES, seed=parameters.seed,
        )  # fmt: skip
    return estimate(
        name, label, value, interval,
        level=parameters.level, n=ratings.shape[1], unit="",
        method=f"bootstrap over {'clusters' if clusters is not None else 'decisions'}, "
        f"{_RESAMPLES:,} resamples",
    )  # fmt: skip


def _own(given: Cases) -> npt.NDArray[np.int64] | None:
    if given.clusters is None:
        return None
    return np.unique(given.clusters[given.answered], return_inverse=True)[1].astype(np.int64)
