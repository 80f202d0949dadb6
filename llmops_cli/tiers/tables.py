"""The tables of a simulation: the plan, the policies, the roles, what more rows would show."""

from collections.abc import Iterator

import numpy as np

from llmops_cli.report import Column, Scalar, Table
from llmops_cli.tiers.cascade_tables import cascade_tables
from llmops_cli.tiers.model import TierParameters, class_floors
from llmops_cli.tiers.plan_making import reasons
from llmops_cli.tiers.policy_tables import figure_tables, policy_tables, published
from llmops_cli.tiers.simulation import Simulation

__all__ = ["plan_rows", "simulation_tables"]


def simulation_tables(found: Simulation, given: TierParameters) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    return (
        _plan(found),
        *cascade_tables(found.cascades),
        *policy_tables(found),
        _roles(found),
        *_undecided(found, given),
        *figure_tables(found),
        published(),
    )


def _plan(found: Simulation) -> Table:
    return Table(
        name="plan",
        title="Plan",
        columns=(
            Column(name="task", label="task class"),
            Column(name="requests", label="requests", unit="share"),
            Column(name="model", label="model"),
            Column(name="loss", label="quality lost", unit="points"),
            Column(name="loss_high", label="at most", unit="points"),
            Column(name="cost", label="of cost", unit="share"),
            Column(name="survives", label="survives", unit="share"),
            Column(name="why", label="why"),
        ),
        rows=tuple(plan_rows(found)),
        note="lost and of cost: against the reference in that class; at most: the upper end of "
        f"the {100 * found.own.level:.0f} % interval; survives: how often resampled clusters "
        "choose the same",
    )


def plan_rows(found: Simulation) -> Iterator[tuple[Scalar, ...]]:
    """One row per class, the largest classes first."""
    plan, own, cells = found.plan, found.own, found.cells
    why = reasons(cells, plan)
    for klass in np.argsort(-plan.shown.weight, kind="stable").tolist():
        base = plan.problem.cost[klass, cells.reference]
        cost = float((plan.share[klass] * plan.problem.cost[klass]).sum())
        yield (
            cells.tasks[klass],
            float(plan.shown.weight[klass]),
            _who(cells.models, plan.share[klass]),
            _points(float(own.class_loss[klass])),
            _points(float(own.class_high[klass])),
            cost / float(base) if base > 0 else None,
            float(found.steady.survives[klass]),
            why[klass],
        )


def _who(models: tuple[str, ...], share: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str:
    some = [(part, name) for part, name in zip(share.tolist(), models, strict=True) if part > 0]
    if len(some) == 1:
        return some[0][1]
    return ", ".join(f"{100 * part:.0f} % {name}" for part, name in sorted(some, reverse=True))


def _points(value: float) -> float | None:
    return 100 * value if np.isfinite(value) else None


def _roles(found: Simulation) -> Table:
    return Table(
        name="roles",
        title="Tiers",
        columns=(
            Column(name="model", label="model"),
            Column(name="tier", label="tier"),
            Column(name="quality", label="quality"),
            Column(name="cost_usd_per_1000", label="per 1,000", unit="usd"),
            Column(name="p95_s", label="p95", unit="s"),
            Column(name="leads", label="leads in"),
            Column(name="shown", label="beyond chance", unit="count"),
            Column(name="why", label="why"),
        ),
        rows=tuple(
            (
                role.model,
                role.tier,
                role.quality,
                1000 * role.cost_usd,
                role.p95_s,
                _named(role.leads),
                role.shown,
                role.why,
            )
            for role in found.roles
        ),
    )


def _named(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _undecided(found: Simulation, given: TierParameters) -> Iterator[Table]:
    """Classes whose means would allow a cheaper model that the rows do not show to be enough."""
    rows = list(_needs(found, given))
    if rows:
        yield Table(
            name="undecided",
            title="What more rows could show",
            columns=(
                Column(name="task", label="task class"),
                Column(name="model", label="model"),
                Column(name="of_cost", label="of cost", unit="share"),
                Column(name="rows", label="rows", unit="count"),
                Column(name="needed", label="rows needed, about", unit="count"),
            ),
            rows=tuple(rows),
            note="if the means stay as they are; the interval narrows with the root of the rows",
        )


def _needs(found: Simulation, given: TierParameters) -> Iterator[tuple[Scalar, ...]]:
    plan, cells = found.plan, found.cells
    known, floors = plan.shown, class_floors(found.cells.tasks, given)
    for klass, task in enumerate(cells.tasks):
        if plan.unknown[klass] or np.isnan(floors[klass]) or given.evidence == "point":
            continue
        bar, cost = floors[klass] * known.base[klass, 0], known.cost_usd[klass]
        now = float((plan.share[klass] * plan.problem.cost[klass]).sum())
        spare = known.quality[klass] - bar
        open_ = (spare > 0) & (cost < now) & ~plan.problem.admitted[klass]
        if not open_.any():
            continue
        model = int(np.argmin(np.where(open_, cost, np.inf)))
        reach = known.quality[klass, model] - known.low[klass, model]
        rows = float(known.rows[klass])
        needed = max(given.min_rows, rows * (reach / spare[model]) ** 2)
        base = float(cost[cells.reference])
        of_cost = float(cost[model]) / base if base > 0 else None
        yield task, cells.models[model], of_cost, int(rows), int(np.ceil(needed))
