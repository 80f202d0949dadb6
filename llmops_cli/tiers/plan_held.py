"""A plan on new rows: how far every floor is met, class by class and over all requests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Column, Measure, Table
from llmops_cli.tiers.assignment_evidence import Shown
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.evaluation import Evaluated
from llmops_cli.tiers.plan import ClassPlan, TierPlan

__all__ = [
    "METHOD",
    "UNKNOWN_ROOM",
    "Held",
    "above_class_floors",
    "above_floor",
    "held_table",
    "unseen_floors",
]

Floats = npt.NDArray[np.float64]

UNKNOWN_ROOM = (0.0, -1.0, 1.0)
"""Quality above a floor, and its bounds, where too little is known."""

METHOD = "bootstrap over clusters, on rows that the plan was not chosen on"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A plan on new rows."""

    plan: TierPlan
    cells: Cells
    known: Shown
    share: Floats
    worth: Evaluated

    def of_task(self, klass: int) -> ClassPlan | None:
        """What the plan says of a class of the new rows."""
        name = self.cells.tasks[klass]
        return next((item for item in self.plan.classes if item.task == name), None)


def above_floor(held: Held, floor: float) -> Measure:
    """Quality above the floor over all requests, in points."""
    worth = held.worth
    allowed = (1 - floor) * worth.base_quality
    ends = (allowed - worth.loss_interval.high, allowed - worth.loss_interval.low)
    low, high = (100 * end if np.isfinite(end) else None for end in ends)
    return Measure(
        name="above_floor",
        label="quality above the floor",
        value=100 * (allowed - worth.loss),
        unit="points",
        low=low,
        high=high,
        level=worth.level,
        n=held.cells.clusters,
        method=METHOD,
    )


def above_class_floors(held: Held) -> Measure | None:
    """The class that is nearest to its floor, or furthest below it; all bounds hold together.

    Of a class without a row everything is possible.
    """
    found = [item for k in range(len(held.cells.tasks)) if (item := _room(held, k)) is not None]
    found += [UNKNOWN_ROOM for _ in unseen_floors(held.plan, held.cells.tasks)]
    if not found:
        return None
    value, low, high = (min(column) for column in zip(*found, strict=True))
    return Measure(
        name="above_class_floor",
        label="least quality above a class floor",
        value=100 * value,
        unit="points",
        low=100 * low,
        high=100 * high,
        n=len(found),
        method="paired differences by class, t bounds, Bonferroni over classes",
    )


def unseen_floors(plan: TierPlan, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Classes of the plan with a floor and another model than the reference, and without a row."""
    return tuple(
        item.task
        for item in plan.classes
        if item.task not in tasks
        and item.floor is not None
        and any(part.model != plan.reference for part in item.models)
    )


def _room(held: Held, klass: int) -> tuple[float, float, float] | None:
    """Quality above the floor of a class, with its bounds; None where nothing is asked."""
    item, share, known = held.of_task(klass), held.share[klass], held.known
    if item is None or item.floor is None or share[held.cells.reference] == 1:
        return None
    mine = share > 0
    base = float(known.base[klass, 0])
    enough = bool(known.enough[klass][mine].all())
    if not enough:
        return UNKNOWN_ROOM
    quality = float((share * np.nan_to_num(known.quality[klass]))[mine].sum())
    reach = float((share * known.reach[klass])[mine].sum())
    room = quality - item.floor * base
    return room, room - reach, room + reach


def held_table(held: Held) -> Table:
    """What every class was promised to lose, and what it loses."""
    return Table(
        name="classes",
        title="The plan, class by class",
        columns=(
            Column(name="task", label="task class"),
            Column(name="requests", label="requests", unit="share"),
            Column(name="model", label="model"),
            Column(name="promised", label="promised to lose", unit="points"),
            Column(name="loss", label="loses", unit="points"),
            Column(name="loss_low", label="at least", unit="points"),
            Column(name="loss_high", label="at most", unit="points"),
        ),
        rows=tuple(
            _row(held, klass) for klass in np.argsort(-held.known.weight, kind="stable").tolist()
        ),
        note=f"at least and at most: {100 * held.worth.level:.0f} % interval of this class alone",
    )


def _row(held: Held, klass: int) -> tuple[str | float | None, ...]:
    item, worth = held.of_task(klass), held.worth
    promised = None if item is None or item.loss is None else 100 * item.loss.value
    models = "" if item is None else ", ".join(part.model for part in item.models)
    losses = (worth.class_loss[klass], worth.class_low[klass], worth.class_high[klass])
    return (
        held.cells.tasks[klass],
        float(held.known.weight[klass]),
        models or held.plan.reference,
        promised,
        *(100 * float(value) if np.isfinite(value) else None for value in losses),
    )
