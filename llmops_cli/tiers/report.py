"""A simulation becomes a Report: which model for which class, what it saves, what it risks."""

from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Series
from llmops_cli.stats.intervals import Interval
from llmops_cli.tiers.assignment_greedy import walk
from llmops_cli.tiers.evaluation import Evaluated
from llmops_cli.tiers.explain import explanations
from llmops_cli.tiers.findings import own_findings
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.simulation import Simulation
from llmops_cli.tiers.tables import simulation_tables
from llmops_cli.tiers.words import points

__all__ = ["gates", "loss_measure", "report", "saving_measure"]

_MORE = "outcomes of more clusters (conversations, templates)"


def report(
    found: Simulation,
    given: TierParameters,
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report of one simulation; ``findings`` are those of the reader."""
    return Report(
        command="simulate-tiers",
        title="Which model for which task",
        headline=_headline(found),
        inputs=inputs,
        parameters=parameters(given, found.cells.models[found.cells.reference]),
        measures=_measures(found),
        checks=gates(found.expected, _method(found), found.cells.clusters, given),
        tables=simulation_tables(found, given),
        series=_series(found),
        findings=(*findings, *own_findings(found, given)),
        explanations=explanations(found, given),
    )


def parameters(given: TierParameters, reference: str) -> dict[str, Scalar]:
    """The question as scalars."""
    fields = asdict(given) | {"reference": reference, "class_floor": given.every_class}
    return {name: _scalar(value) for name, value in fields.items() if value not in ((), None)}


def _scalar(value: object) -> Scalar:
    if isinstance(value, tuple):
        return ", ".join(f"{name}={item}" for name, item in value)
    if isinstance(value, float) and value == float("inf"):
        return "unbounded"
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _headline(found: Simulation) -> str:
    cells, expected = found.cells, found.expected
    reference = cells.models[cells.reference]
    moved = int((found.plan.model != cells.reference).sum())
    if not moved:
        return f"Every class keeps {reference}: no other model is shown to be good enough and pay."
    classes = len(cells.tasks)
    who = "The one class leaves" if classes == 1 else f"{moved} of {classes} classes leave"
    lost = points(expected.loss)
    quality = "keeps the quality"
    if lost.strip("+-0."):
        quality = f"{'loses' if lost.startswith('+') else 'gains'} {lost[1:]} points of quality"
    return f"{who} {reference}: that saves {100 * expected.saving:.1f} % and {quality}."


def _method(found: Simulation) -> str:
    pooled = "groups of clusters" if found.cells.pooled else "clusters"
    if found.held_out is None:
        return f"bootstrap over {pooled}, on the rows the plan was chosen on"
    return f"cross-fitted plans, bootstrap over {pooled}"


def saving_measure(worth: Evaluated, method: str, n: int) -> Measure:
    """The share of the reference's cost that is saved."""
    low, high = _ends(worth.saving, worth.saving_interval, (None, 1.0))
    return Measure(
        name="saving",
        label="cost saved against the reference",
        value=_finite(worth.saving),
        unit="share",
        low=low,
        high=high,
        level=worth.level,
        n=n,
        method=method,
    )


def loss_measure(worth: Evaluated, method: str, n: int) -> Measure:
    """The quality lost, in points."""
    low, high = _ends(worth.loss, worth.loss_interval, (-1.0, 1.0))
    return Measure(
        name="quality_loss",
        label="quality lost against the reference",
        value=100 * worth.loss,
        unit="points",
        low=None if low is None else 100 * low,
        high=None if high is None else 100 * high,
        level=worth.level,
        n=n,
        method=method,
    )


def _ends(
    value: float, found: Interval, widest: tuple[float | None, float]
) -> tuple[float | None, float | None]:
    """Both ends; of one cluster nothing is known but what the scale allows."""
    if np.isfinite(found.low) or not np.isfinite(value):
        return _finite(found.low), _finite(found.high)
    return widest


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def gates(worth: Evaluated, method: str, n: int, given: TierParameters) -> tuple[Check, ...]:
    """``--min-saving`` on the lower end of the saving, ``--max-quality-loss`` on the upper one."""
    found: list[Check] = []
    if given.min_saving is not None:
        saving = saving_measure(worth, method, n)
        found.append(Check.at_least("min_saving", saving, given.min_saving, needed=_MORE))
    if given.max_quality_loss is not None:
        loss = loss_measure(worth, method, n)
        bound = 100 * given.max_quality_loss
        found.append(Check.at_most("max_quality_loss", loss, bound, needed=_MORE))
    return tuple(found)


def _measures(found: Simulation) -> tuple[Measure, ...]:
    cells, expected, own = found.cells, found.expected, found.own
    n, method = cells.clusters, _method(found)
    worst = np.nanmax(own.class_loss) if np.isfinite(own.class_loss).any() else np.nan
    bound = found.plan.solution
    return (
        saving_measure(expected, method, n),
        loss_measure(expected, method, n),
        Measure(
            name="worst_class_loss",
            label="most lost in one class",
            value=_finite(100 * float(worst)),
            unit="points",
            n=len(cells.tasks),
            method="mean of the class, on all its rows",
        ),
        Measure(
            name="cost_usd_per_1000",
            label="cost of 1,000 requests",
            value=1000 * own.cost_usd,
            unit="usd",
            n=n,
            method="mean of the rows",
        ),
        Measure(
            name="reference_cost_usd_per_1000",
            label="at the reference",
            value=1000 * own.base_cost_usd,
            unit="usd",
            n=n,
            method="mean of the rows",
        ),
        Measure(
            name="optimality_gap",
            label="plan above the best possible",
            value=bound.gap,
            unit="share",
            method=f"{bound.method} against its bound",
        ),
        *_slow(found),
        Measure(name="requests", value=len(found.rows.outcomes), unit="count"),
    )


def _slow(found: Simulation) -> tuple[Measure, ...]:
    """The share of requests slower than the limit, where there is one."""
    plan = found.plan
    if plan.problem.slow is None:
        return ()
    part = plan.problem.weight[:, None] * plan.share
    return (
        Measure(
            name="slow_share",
            label="slower than the limit",
            value=float(np.sum(part * plan.problem.slow)),
            unit="share",
            method="at most 5 % where the p95 meets the limit",
        ),
    )


def _series(found: Simulation) -> tuple[Series, ...]:
    """One chart of cost and quality: this plan, all static plans, every policy, single models."""
    curves = [_curve("plan", "this plan", np.array([[found.own.cost_usd, found.own.quality]]))]
    path = _static_plans(found)
    if path is not None:
        curves.append(_curve("plans", "plans by class, by their means", path))
    policies = found.comparison.policies if found.comparison else ()
    for policy in policies:
        points = np.column_stack([policy.cost_usd, policy.quality])
        if len(points) > 1:
            curves.append(_curve(policy.name.replace(" ", "_"), policy.name, points))
    single = [(*one.cost_usd, *one.quality) for one in policies if one.kind == "single"]
    if single:
        # A gap after each model: they are points, and nothing lies between them.
        apart = np.full((2 * len(single) - 1, 2), np.nan)
        apart[::2] = sorted(single)
        curves.append(_curve("models", "single models", apart))
    return tuple(curves)


def _static_plans(found: Simulation) -> npt.NDArray[np.float64] | None:
    """``(P, 2)`` cost and quality from the cheapest plan by class to the best one."""
    known = found.plan.shown
    free = replace(
        found.plan.problem,
        quality=np.nan_to_num(known.quality),
        admitted=~(np.isnan(known.quality) | np.isnan(known.cost_usd)),
        goal="cost",
        floor=None,
        budget=None,
    )
    path = None if not free.admitted.any(axis=1).all() else walk(free)
    return None if path is None else path.path


def _curve(name: str, title: str, points: npt.NDArray[np.float64]) -> Series:
    cost, quality = (
        tuple(value if np.isfinite(value) else None for value in column.tolist())
        for column in (1000 * points[:, 0], points[:, 1])
    )
    return Series(
        name=name,
        title=title,
        x_label="US dollars per 1,000 requests",
        y_label="quality",
        x=cost,
        y=quality,
        chart="Quality against cost",
    )
