"""A problem as the matrices a solver takes: one column per class and model, rows for the limits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment_problem import SLOW_SHARE, Problem

__all__ = ["Rows", "rows_of"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """``P`` pairs of class and model, then one column for each of ``V`` providers.

    Attributes:
        klass: ``(P,)`` class of each pair.
        model: ``(P,)`` model of each pair.
        price: ``(P + V,)`` what is minimised, in units of ``unit``.
        unit: the greatest price.
        each: sparse ``(K, P + V)``; every class adds up to 1.
        limits: sparse ``(L, P + V)``; no row exceeds its bound. None where there is no limit.
        bounds: ``(L,)``.
    """

    klass: Codes
    model: Codes
    price: Floats
    unit: float
    each: Any
    limits: Any
    bounds: Floats

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.klass)


def rows_of(problem: Problem, usable: Flags) -> Rows:
    """The matrices over the usable pairs.

    Args:
        problem: with its limits.
        usable: ``(K, m)`` pairs that get a column.
    """
    from scipy.sparse import vstack  # noqa: PLC0415 - scipy is slow to load

    klass, model = np.nonzero(usable)
    providers = 0 if problem.max_providers is None else _providers(problem)
    width = len(klass) + providers
    price = problem.weight[klass] * problem.value[klass, model]
    # The solver's tolerances are absolute, and requests cost fractions of a cent.
    unit = float(np.abs(price).max()) or 1.0
    each = _sparse(np.ones(len(klass)), klass, np.arange(len(klass)), (len(usable), width))
    limits = list(_limits(problem, klass, model, width))
    return Rows(
        klass=klass,
        model=model,
        price=np.concatenate([price / unit, np.zeros(providers)]),
        unit=unit,
        each=each,
        limits=vstack([matrix for matrix, _ in limits]).tocsr() if limits else None,
        bounds=np.concatenate([bound for _, bound in limits]) if limits else np.empty(0),
    )


def _providers(problem: Problem) -> int:
    return 0 if problem.provider is None else int(problem.provider.max()) + 1


def _limits(problem: Problem, klass: Codes, model: Codes, width: int) -> list[tuple[Any, Floats]]:
    """Matrix and bounds of every limit; what must be reached is turned round."""
    at, weight = (klass, model), problem.weight[klass]
    found: list[tuple[Any, Floats]] = []
    if problem.floor is not None:
        found.append(_sum(-weight * problem.quality[at], -problem.floor, width))
    if problem.budget is not None and np.isfinite(problem.budget):
        found.append(_sum(weight * problem.cost[at], problem.budget, width))
    if problem.slow is not None:
        found.append(_sum(weight * problem.slow[at], SLOW_SHARE, width))
    if problem.capacity is not None:
        shape = (len(problem.capacity), width)
        found.append((_sparse(weight, model, np.arange(len(klass)), shape), problem.capacity))
    if width > len(klass):
        found += _provider_limits(problem, klass, model, width)
    return found


def _sum(values: Floats, bound: float, width: int) -> tuple[Any, Floats]:
    unit = abs(bound) or 1.0
    places = np.arange(len(values))
    matrix = _sparse(values / unit, np.zeros_like(places), places, (1, width))
    return matrix, np.array([bound / unit])


def _provider_limits(
    problem: Problem, klass: Codes, model: Codes, width: int
) -> list[tuple[Any, Floats]]:
    assert problem.provider is not None  # noqa: S101 - there are providers
    pairs = len(klass)
    count = width - pairs
    mine = problem.provider[model]
    # A class may go to a provider only where that is used: one row for all its models together
    # leaves the relaxation less room than one row for each.
    used, row = np.unique(klass * count + mine, return_inverse=True)
    values = np.concatenate([np.ones(pairs), -np.ones(len(used))])
    rows = np.concatenate([row, np.arange(len(used))])
    columns = np.concatenate([np.arange(pairs), pairs + used % count])
    opened = _sparse(values, rows, columns, (len(used), width))
    places = pairs + np.arange(count)
    counted = _sparse(np.ones(count), np.zeros_like(places), places, (1, width))
    most = np.array([float(problem.max_providers or 0)])
    return [(opened, np.zeros(len(used))), (counted, most)]


def _sparse(values: Floats, rows: Codes, columns: Codes, shape: tuple[int, int]) -> Any:  # noqa: ANN401 - scipy's own
    from scipy.sparse import csr_array  # noqa: PLC0415 - scipy is slow to load

    return csr_array((values, (rows, columns)), shape=shape)
