"""The arithmetic of an assignment: what each class and model costs, gives, and may not exceed."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["SLOW_SHARE", "Problem", "Solution"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_DUST = 1e-10
"""Less is the rounding of the solver."""

SLOW_SHARE = 0.05
"""A 95th percentile is at most L where at most so many are slower than L."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Problem:
    """Classes ``K`` to models ``m``, each class to one model (or split where asked).

    Attributes:
        weight: ``(K,)`` share of requests.
        cost: ``(K, m)`` mean US dollars of a request.
        quality: ``(K, m)`` as floors take it.
        admitted: ``(K, m)`` which models a class may have at all.
        goal: the cheapest plan, or the best.
        floor: least mean quality; None for none.
        budget: most mean US dollars of a request; None for none.
        slow: ``(K, m)`` share of answers slower than the limit; None without a limit.
        capacity: ``(m,)`` largest share of requests; None without limits.
        provider: ``(m,)`` number of the provider; None without a limit.
        max_providers: how many the plan may use.
    """

    weight: Floats
    cost: Floats
    quality: Floats
    admitted: Flags
    goal: Literal["cost", "quality"] = "cost"
    floor: float | None = None
    budget: float | None = None
    slow: Floats | None = None
    capacity: Floats | None = None
    provider: Codes | None = None
    max_providers: int | None = None

    @property
    def value(self) -> Floats:
        """``(K, m)`` what is minimised, per class weight."""
        return self.cost if self.goal == "cost" else -self.quality

    @property
    def several(self) -> bool:
        """Whether classes hang together by more than one sum: no greedy walk is a bound then."""
        # The walk of the cheapest plan knows a floor, that of the best one a budget.
        other = self.budget if self.goal == "cost" else self.floor
        return other is not None or self.limited

    @property
    def limited(self) -> bool:
        """Whether there is a limit that is neither floor nor budget."""
        return self.slow is not None or self.capacity is not None or self.max_providers is not None

    @property
    def separable(self) -> bool:
        """Whether every class can be decided by itself."""
        return self.floor is None and self.budget is None and not self.limited

    def without(self, name: str) -> "Problem":
        """The same without one constraint."""
        if name == "admitted":
            return replace(self, admitted=~(np.isnan(self.cost) | np.isnan(self.quality)))
        extra = {"max_providers": None} if name == "provider" else {}
        return replace(self, **{name: None, **extra})

    def totals(self, share: Floats) -> tuple[float, float]:
        """Mean cost and mean quality of a plan."""
        part = self.weight[:, None] * share
        return float(np.sum(part * _known(self.cost))), float(np.sum(part * _known(self.quality)))

    def objective(self, share: Floats) -> float:
        """What is minimised."""
        return float(np.sum(self.weight[:, None] * share * _known(self.value)))


def _known(values: Floats) -> Floats:
    return np.where(np.isnan(values), 0.0, values)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A plan and how near it is to the best there can be.

    Attributes:
        share: ``(K, m)`` part of each class that each model gets.
        objective: cost, or minus quality.
        bound: no plan, split or not, has a smaller objective.
        method: how it was found.
    """

    share: Floats
    objective: float
    bound: float
    method: str

    @property
    def gap(self) -> float:
        """How much worse than the bound, relative to the plan."""
        size = max(abs(self.objective), _DUST)
        gap = (self.objective - self.bound) / size
        return gap if gap > _DUST else 0.0
