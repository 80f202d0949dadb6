"""The plan itself: class by class where classes do not hang together, else HiGHS.

The walk of the convex hulls gives a bound and a first plan; models that cannot be part of a
better plan are left out before the solver sees the problem.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment_greedy import Walk, walk
from llmops_cli.tiers.assignment_problem import SLOW_SHARE, Problem, Solution
from llmops_cli.tiers.assignment_silence import silence

__all__ = ["relaxed", "solve"]

Floats = npt.NDArray[np.float64]

_GAP = 1e-7
_NODES = 50_000
"""Where the solver stops, so that the same problem gives the same plan on every machine."""

_TINY = 1e-9


def solve(problem: Problem, *, fractional: bool = False, exact: bool = True) -> Solution | None:
    """The best plan; None where there is none.

    Args:
        problem: with at least one admitted model in every class.
        fractional: whether classes may be split: a linear program then.
        exact: off for the greedy plan alone where that is one: to solve many resamples.

    Source:
        HiGHS through ``scipy.optimize.milp``: Huangfu and Hall (2018), Mathematical
        Programming Computation 10:119-142.
    """
    if not problem.admitted.any(axis=1).all():
        return None
    if problem.several:
        return _by_solver(problem, None, fractional=fractional)
    found = walk(problem)
    if found is None:
        return None
    if fractional and not problem.separable:
        return _by_solver(problem, None, fractional=True)
    tight = found.objective - found.bound <= _TINY * max(1.0, abs(found.bound))
    if tight or not exact:
        method = "class by class" if problem.separable else "convex hulls"
        return Solution(_shares(problem, found), found.objective, found.bound, method)
    return _by_solver(problem, found, fractional=False)


def relaxed(problem: Problem) -> float | None:
    """The objective of the best plan that may split classes; None where there is none."""
    found = _by_solver(problem, None, fractional=True)
    return None if found is None else found.objective


def _shares(problem: Problem, found: Walk) -> Floats:
    share = np.zeros(problem.cost.shape)
    share[np.arange(len(share)), found.model] = 1.0
    return share


def _by_solver(problem: Problem, begun: Walk | None, *, fractional: bool) -> Solution | None:
    from scipy.optimize import Bounds, milp  # noqa: PLC0415 - scipy is slow to load

    usable = problem.admitted if begun is None else begun.useful
    klass, model = np.nonzero(usable)
    matrix = _Rows(problem, klass, model)
    whole = len(matrix.price)
    with silence():
        result = milp(
            matrix.price,
            integrality=np.full(whole, 0 if fractional else 1),
            bounds=Bounds(0, 1),
            constraints=matrix.constraints(),
            options={"mip_rel_gap": _GAP, "node_limit": _NODES},
        )
    if result.x is None:
        return None if begun is None else _as_begun(problem, begun)
    share = np.zeros(problem.cost.shape)
    share[klass, model] = result.x[: len(klass)]
    share = np.round(share) if not fractional else _clean(share)
    objective = problem.objective(share)
    if begun is not None and begun.objective < objective - _TINY:
        return _as_begun(problem, begun)
    bound = matrix.unit * float(result.mip_dual_bound) if not fractional else objective
    bound = bound if begun is None else max(bound, begun.bound)
    method = "linear program" if fractional else "mixed-integer program"
    return Solution(share, objective, min(bound, objective), method)


def _as_begun(problem: Problem, begun: Walk) -> Solution:
    return Solution(_shares(problem, begun), begun.objective, begun.bound, "convex hulls")


def _clean(share: Floats) -> Floats:
    # The solver leaves dust where it means zero.
    share = np.where(share < _TINY, 0.0, share)
    return share / share.sum(axis=1, keepdims=True)


class _Rows:
    """Prices and constraints of a problem over its admitted pairs of class and model."""

    def __init__(
        self, problem: Problem, klass: npt.NDArray[np.int64], model: npt.NDArray[np.int64]
    ) -> None:
        self._problem, self._klass, self._model = problem, klass, model
        self._weight = problem.weight[klass]
        providers = problem.provider if problem.max_providers is not None else None
        self._providers = 0 if providers is None else int(providers.max()) + 1
        price = self._weight * problem.value[klass, model]
        # The solver's tolerances are absolute, and requests cost fractions of a cent.
        self.unit = float(np.abs(price).max()) or 1.0
        self.price = np.concatenate([price / self.unit, np.zeros(self._providers)])

    def constraints(self) -> list[Any]:
        """One row per class, floor, budget, latency, capacity and provider."""
        from scipy.optimize import LinearConstraint  # noqa: PLC0415 - scipy is slow to load

        problem, pairs = self._problem, len(self._klass)
        found = [self._ones(self._klass, len(problem.weight))]
        at = (self._klass, self._model)
        if problem.floor is not None:
            found.append(self._sum(problem.quality[at], problem.floor, np.inf))
        if problem.budget is not None and np.isfinite(problem.budget):
            found.append(self._sum(problem.cost[at], -np.inf, problem.budget))
        if problem.slow is not None:
            found.append(self._sum(problem.slow[at], -np.inf, SLOW_SHARE))
        if problem.capacity is not None:
            each = self._sparse(self._weight, self._model, np.arange(pairs), len(problem.capacity))
            found.append(LinearConstraint(each, -np.inf, problem.capacity))
        if self._providers:
            found += self._provider_rows()
        return found

    def _ones(self, rows: npt.NDArray[np.int64], count: int) -> Any:  # noqa: ANN401 - scipy's own
        from scipy.optimize import LinearConstraint  # noqa: PLC0415 - as above

        matrix = self._sparse(np.ones(len(rows)), rows, np.arange(len(rows)), count)
        return LinearConstraint(matrix, 1, 1)

    def _sum(self, values: Floats, low: float, high: float) -> Any:  # noqa: ANN401 - scipy's own
        from scipy.optimize import LinearConstraint  # noqa: PLC0415 - as above

        pairs = np.arange(len(values))
        unit = max(abs(end) for end in (low, high) if np.isfinite(end)) or 1.0
        matrix = self._sparse(self._weight * values / unit, np.zeros_like(pairs), pairs, 1)
        return LinearConstraint(matrix, low / unit, high / unit)

    def _provider_rows(self) -> list[Any]:
        from scipy.optimize import LinearConstraint  # noqa: PLC0415 - as above

        problem, pairs = self._problem, len(self._klass)
        assert problem.provider is not None  # noqa: S101 - there are providers
        rows = np.arange(pairs)
        used = pairs + problem.provider[self._model]
        # A model may be used only where its provider is.
        opened = self._sparse(
            np.concatenate([np.ones(pairs), -np.ones(pairs)]),
            np.concatenate([rows, rows]),
            np.concatenate([rows, used]),
            pairs,
        )
        places = pairs + np.arange(self._providers)
        counted = self._sparse(np.ones(self._providers), np.zeros_like(places), places, 1)
        most = problem.max_providers or 0
        return [LinearConstraint(opened, -np.inf, 0), LinearConstraint(counted, 0, most)]

    def _sparse(
        self,
        values: Floats,
        rows: npt.NDArray[np.int64],
        columns: npt.NDArray[np.int64],
        count: int,
    ) -> Any:  # noqa: ANN401 - scipy's own
        from scipy.sparse import csr_array  # noqa: PLC0415 - as above

        return csr_array((values, (rows, columns)), shape=(count, len(self.price)))
