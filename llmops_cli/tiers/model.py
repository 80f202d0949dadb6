"""What an assignment of models to task classes is asked: floors, limits, evidence, gates."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = [
    "DEFAULT_CLASS_FLOOR",
    "EVIDENCE",
    "Evidence",
    "TierParameters",
    "class_floors",
    "usage_error",
]

Evidence = Literal["lower", "paired", "point"]

EVIDENCE: tuple[Evidence, ...] = ("lower", "paired", "point")
"""How quality is taken: as simultaneous lower bounds, by tests of non-inferiority, as it is."""

DEFAULT_CLASS_FLOOR = 0.95
"""Of the reference's quality in every class, where the user names no floor and no budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierParameters:
    """The question.

    Attributes:
        reference: the model that everything is held against; the best one where empty.
        floor: quality of all traffic, as a share of the reference's.
        class_floor: the same in every task class.
        class_floors: in some classes, by name; these go before ``class_floor``, and the others
            keep what they would have without them.
        budget_usd: US dollars per 1,000 requests; with a budget and no floor the plan of the
            best quality is sought. Infinite for none.
        max_p95_s: seconds that 95 % of all requests may take at most.
        capacity: the largest share of requests of a model, by name.
        max_providers: how many providers the plan may use.
        providers: who serves a model; else what stands before the slash of its name.
        evidence: how quality is taken, see :data:`EVIDENCE`.
        alpha: one-sided risk, over all classes and models together, of a wrong claim.
        min_rows: classes with fewer rows keep the reference.
        fractional: whether a class may be split between models.
        tiers: which tier a model is of, by name, where the user says so.
        min_saving: gate on the share of the reference's cost that is saved.
        max_quality_loss: gate on the quality lost against the reference, on a scale of 0 to 1.
        level: two-sided confidence of intervals; either end alone has ``(1 + level) / 2``.
        seed: of every resampling.
    """

    reference: str = ""
    floor: float | None = None
    class_floor: float | None = None
    class_floors: tuple[tuple[str, float], ...] = ()
    budget_usd: float | None = None
    max_p95_s: float | None = None
    capacity: tuple[tuple[str, float], ...] = ()
    max_providers: int | None = None
    providers: tuple[tuple[str, str], ...] = ()
    evidence: Evidence = "lower"
    alpha: float = 0.05
    min_rows: int = 30
    fractional: bool = False
    tiers: tuple[tuple[str, str], ...] = ()
    min_saving: float | None = None
    max_quality_loss: float | None = None
    level: float = 0.90
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what no plan can meet or mean."""
        floors = (self.floor, self.class_floor, *(share for _, share in self.class_floors))
        for share in floors:
            _within("floor", share, 0.0, 2.0, "95 % of the reference is 0.95")
        _within("budget", self.budget_usd, 0.0, math.inf, "two dollars per 1,000 requests are 2")
        _within("p95", self.max_p95_s, 0.0, math.inf, "two seconds are 2")
        for _, share in self.capacity:
            _within("capacity", share, 0.0, 1.0, "30 % of the requests are 0.3")
        _within("alpha", self.alpha, 0.0, 0.5, "five percent is 0.05")
        _within("level", self.level, 0.5, 1.0, "ninety percent is 0.9")
        saved, lost = self.min_saving, self.max_quality_loss
        _at_most_one("saving", saved, "half of the cost is 0.5")
        _at_most_one("loss", lost, "two points of 100 are 0.02")
        if self.min_rows < 1:
            raise usage_error(
                "tiers-bad-min-rows", "a class without a row shows nothing", "--min-rows 1 or more"
            )
        if self.max_providers is not None and self.max_providers < 1:
            raise usage_error("tiers-bad-providers", "a plan needs one provider", "1 or more")
        if self.evidence not in EVIDENCE:
            known = ", ".join(EVIDENCE)
            raise usage_error("tiers-bad-evidence", f"'{self.evidence}' is not one of {known}", "")
        if self.evidence == "paired" and not self.by_class:
            raise usage_error(
                "tiers-paired-needs-class-floor",
                "tests of non-inferiority are made class by class, against a floor of each class",
                "add --class-floor, or take --evidence lower",
            )

    @property
    def best_quality(self) -> bool:
        """Whether the plan is the best in the budget, and not the cheapest above a floor."""
        floors = self.floor is not None or self.class_floor is not None or self.class_floors
        return self.budget_usd is not None and not floors

    @property
    def by_class(self) -> bool:
        """Whether some class has a floor of its own."""
        return bool(self.class_floors) or self.every_class is not None

    @property
    def every_class(self) -> float | None:
        """The floor of classes that none is named for."""
        unsaid = self.floor is None and self.budget_usd is None
        return DEFAULT_CLASS_FLOOR if self.class_floor is None and unsaid else self.class_floor


def class_floors(tasks: tuple[str, ...], given: TierParameters) -> npt.NDArray[np.float64]:
    """``(K,)`` the floor of each class as a share of the reference; NaN for none.

    Raises:
        LlmopsError: ``tiers-unknown-task``.
    """
    every = given.every_class
    floors = np.full(len(tasks), np.nan if every is None else every)
    for task, share in given.class_floors:
        if task not in tasks:
            known = ", ".join(tasks[:8])
            raise usage_error(
                "tiers-unknown-task", f"no row is of the task class '{task}'", f"of: {known}"
            )
        floors[tasks.index(task)] = share
    return floors


def _within(name: str, value: float | None, low: float, high: float, hint: str) -> None:
    above = value is None or (low < value <= high)
    if not above:
        raise usage_error(
            f"tiers-bad-{name}",
            f"{value:g} for {name} does not lie between {low:g} and {high:g}",
            hint,
        )


def _at_most_one(name: str, value: float | None, hint: str) -> None:
    """Refuse a gate above the scale: of a saving it never passes, of a loss it always does."""
    if value is not None and not -math.inf < value <= 1:
        raise usage_error(f"tiers-bad-{name}", f"{value:g} for {name} lies above 1", hint)


def usage_error(slug: str, message: str, hint: str) -> LlmopsError:
    """An error of the command line."""
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)
