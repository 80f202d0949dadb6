"""The plan is the best there is: solver, walk of the hulls and trying everything agree."""

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from llmops_cli.tiers.assignment_greedy import walk
from llmops_cli.tiers.assignment_limits import obstacles
from llmops_cli.tiers.assignment_problem import SLOW_SHARE, Problem
from llmops_cli.tiers.assignment_solver import relaxed, solve

Floats = npt.NDArray[np.float64]

CLOSE = 1e-7


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to four classes and models, prices and qualities on a coarse grid, so that ties come."""
    classes, models = draw(st.integers(1, 4)), draw(st.integers(2, 4))

    def grid(low: int, high: int) -> Floats:
        size = classes * models
        cells = draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
        return np.array(cells, np.float64).reshape(classes, models)

    weight = np.array(draw(st.lists(st.integers(1, 5), min_size=classes, max_size=classes)), float)
    admitted = grid(0, 3) > 0
    admitted[:, 0] = True
    return Problem(
        weight=weight / weight.sum(),
        cost=grid(0, 12) / 4,
        quality=grid(0, 10) / 10,
        admitted=admitted,
    )


def brute(problem: Problem) -> float | None:
    """The smallest objective of all plans, by trying every one."""
    classes, models = problem.cost.shape
    rows, best = np.arange(classes), None
    for choice in itertools.product(range(models), repeat=classes):
        at = (rows, np.array(choice))
        if not problem.admitted[at].all() or not _meets(problem, at):
            continue
        objective = float((problem.weight * problem.value[at]).sum())
        best = objective if best is None else min(best, objective)
    return best


def _meets(problem: Problem, at: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> bool:
    weight, model = problem.weight, at[1]
    sums = (
        (problem.floor, -(weight * problem.quality[at]).sum(), -1),
        (problem.budget, (weight * problem.cost[at]).sum(), 1),
    )
    if any(bound is not None and value > sign * bound + 1e-9 for bound, value, sign in sums):
        return False
    if problem.slow is not None and (weight * problem.slow[at]).sum() > SLOW_SHARE + 1e-9:
        return False
    used = np.bincount(model, weights=weight, minlength=problem.cost.shape[1])
    if problem.capacity is not None and (used > problem.capacity + 1e-9).any():
        return False
    if problem.max_providers is None or problem.provider is None:
        return True
    return len({int(problem.provider[m]) for m in model}) <= problem.max_providers


def check(problem: Problem) -> None:
    best, found = brute(problem), solve(problem)
    assert (best is None) == (found is None)
    if best is None or found is None:
        return
    assert found.objective == pytest.approx(best, abs=CLOSE)
    assert found.bound <= found.objective + CLOSE
    np.testing.assert_allclose(found.share.sum(axis=1), 1)
    assert (found.share[~problem.admitted] == 0).all()
    at = (np.arange(len(found.share)), np.argmax(found.share, axis=1))
    assert _meets(problem, at)
    least = relaxed(problem)
    assert least is not None
    assert least <= best + CLOSE


@settings(max_examples=40)
@given(problems(), st.integers(0, 20))
def test_the_cheapest_above_a_floor(problem: Problem, floor: int) -> None:
    check(replace(problem, floor=floor / 20))


@settings(max_examples=40)
@given(problems(), st.integers(0, 20))
def test_the_best_in_a_budget(problem: Problem, budget: int) -> None:
    check(replace(problem, goal="quality", budget=budget / 8))


@settings(max_examples=40)
@given(problems(), st.integers(0, 20))
def test_prices_of_a_millionth_are_told_apart(problem: Problem, floor: int) -> None:
    whole = replace(problem, floor=floor / 20)
    small = replace(whole, cost=problem.cost * 1e-6)
    one, other = solve(whole), solve(small)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.objective == pytest.approx(1e-6 * one.objective, rel=1e-6)


@settings(max_examples=40)
@given(problems())
def test_class_by_class_where_nothing_hangs_together(problem: Problem) -> None:
    check(problem)


@settings(max_examples=40)
@given(problems(), st.data())
def test_every_limit_at_once(problem: Problem, data: st.DataObject) -> None:
    models = problem.cost.shape[1]
    limited = replace(
        problem,
        floor=data.draw(st.integers(0, 15)) / 20,
        budget=data.draw(st.integers(4, 24)) / 8,
        slow=problem.cost / 40,
        capacity=np.full(models, data.draw(st.integers(5, 10)) / 10),
        provider=np.arange(models) // 2,
        max_providers=data.draw(st.integers(1, 2)),
    )
    check(limited)


@settings(max_examples=40)
@given(problems(), st.integers(0, 20), st.booleans())
def test_the_walk_gives_the_bound_of_the_linear_program(
    problem: Problem,
    bound: int,
    quality: bool,  # noqa: FBT001 - drawn
) -> None:
    asked = (
        replace(problem, goal="quality", budget=bound / 8)
        if quality
        else replace(problem, floor=bound / 20)
    )
    found, least = walk(asked), relaxed(asked)
    assert (found is None) == (least is None)
    if found is None or least is None:
        return
    assert found.bound == pytest.approx(least, abs=CLOSE)
    assert found.bound <= found.objective + CLOSE
    best = brute(asked)
    assert best is not None
    assert found.objective >= best - CLOSE
    # What the walk rules out is in no better plan: without it the best stays the best.
    pruned = brute(replace(asked, admitted=found.useful))
    assert min(found.objective, np.inf if pruned is None else pruned) == pytest.approx(
        best, abs=CLOSE
    )


@settings(max_examples=40)
@given(problems(), st.integers(0, 20))
def test_a_split_plan_is_never_dearer_and_splits_one_class_per_limit(
    problem: Problem, floor: int
) -> None:
    asked = replace(problem, floor=floor / 20)
    whole, split = solve(asked), solve(asked, fractional=True)
    if whole is None or split is None:
        return
    assert split.objective <= whole.objective + CLOSE
    parts = (split.share > 1e-6).sum(axis=1)
    assert (parts > 1).sum() <= 1


@settings(max_examples=40)
@given(problems())
def test_the_path_of_the_walk_only_rises_and_gets_steeper(problem: Problem) -> None:
    found = walk(problem)
    assert found is not None
    cost, quality = found.path.T
    assert (np.diff(quality) > 0).all()
    assert (np.diff(cost) >= -1e-12).all()
    with np.errstate(divide="ignore"):
        slope = np.diff(cost) / np.diff(quality)
    assert (np.diff(slope) >= -1e-9).all()


FLAT = Problem(
    weight=np.array([0.5, 0.5]),
    cost=np.array([[1.0, 4.0], [1.0, 2.0]]),
    quality=np.array([[0.5, 0.9], [0.6, 0.8]]),
    admitted=np.ones((2, 2), np.bool_),
)


@pytest.mark.parametrize(
    ("limits", "name", "attainable"),
    [
        ({"floor": 0.95}, "floor", 0.85),
        ({"floor": 0.8, "budget": 2.0}, "floor", 0.65),
        ({"budget": 0.5}, "budget", 1.0),
        ({"slow": np.full((2, 2), 0.2)}, "slow", 0.2),
        ({"capacity": np.array([0.4, 0.5])}, "capacity", None),
        (
            {"floor": 0.7, "budget": 2.5, "provider": np.array([0, 1]), "max_providers": 1},
            "provider",
            None,
        ),
    ],
)
def test_what_binds_is_named_with_the_nearest_that_can_be_reached(
    limits: dict[str, object], name: str, attainable: float | None
) -> None:
    problem = replace(FLAT, **limits)  # type: ignore[arg-type]
    assert solve(problem) is None
    found = {item.name: item for item in obstacles(problem)}
    assert name in found
    if attainable is not None:
        assert found[name].attainable == pytest.approx(attainable)


def test_a_class_without_any_model_is_named() -> None:
    bare = replace(FLAT, admitted=np.array([[True, True], [False, False]]))
    assert [(item.name, item.klass) for item in obstacles(bare)] == [("class", 1)]


def test_many_classes_under_many_limits_are_solved_as_by_the_whole_program() -> None:
    draw = np.random.default_rng(3)
    quality = np.sort(draw.random((60, 8)) * 0.4 + 0.6, axis=1)
    cost = np.exp(np.linspace(-9, -4, 8)) * np.exp(draw.normal(0, 0.3, quality.shape))
    weight = draw.dirichlet(np.ones(60))
    problem = Problem(
        weight=weight,
        cost=cost,
        quality=quality,
        admitted=draw.random(cost.shape) < 0.9,
        floor=0.92 * float((weight * quality[:, -1]).sum()),
        slow=draw.random(cost.shape) * 0.12,
        capacity=np.full(8, 0.4),
        provider=np.arange(8) // 2,
        max_providers=3,
    )
    found, whole = solve(problem), by_the_whole_program(problem)
    assert found is not None
    assert found.objective == pytest.approx(whole, rel=1e-6)
    assert found.bound <= found.objective
    assert found.gap < 1e-6
    quick = solve(problem, exact=False)
    assert quick is not None
    assert whole * (1 - 1e-9) <= quick.objective <= whole * 1.003


def by_the_whole_program(problem: Problem) -> float:
    """Every pair of class and model at once, with a row per pair for the providers."""
    assert problem.slow is not None
    assert problem.provider is not None
    classes, models = problem.cost.shape
    pairs = classes * models
    klass, model = np.divmod(np.arange(pairs), models)
    weight = problem.weight[klass]
    used = np.eye(4)[problem.provider[model]]
    zero, unit = np.zeros((1, 4)), float((weight * problem.cost.ravel()).max())
    each = np.column_stack([np.eye(classes)[klass].T, np.zeros((classes, 4))])
    part = np.vstack([weight * problem.quality.ravel(), weight * problem.slow.ravel()])
    rows = [
        LinearConstraint(each, 1, 1),
        LinearConstraint(np.column_stack([part[:1], zero]), problem.floor, np.inf),
        LinearConstraint(np.column_stack([part[1:], zero]), -np.inf, SLOW_SHARE),
        LinearConstraint(
            np.column_stack([np.eye(models)[model].T * weight, np.zeros((models, 4))]), -np.inf, 0.4
        ),
        LinearConstraint(np.column_stack([np.eye(pairs), -used]), -np.inf, 0),
        LinearConstraint(np.append(np.zeros(pairs), np.ones(4))[None], 0, 3),
    ]
    found = milp(
        np.append(weight * problem.cost.ravel(), np.zeros(4)) / unit,
        integrality=np.ones(pairs + 4, np.int64),
        bounds=Bounds(0, np.append(problem.admitted.ravel(), np.ones(4))),
        constraints=rows,
        options={"mip_rel_gap": 1e-7},
    )
    return float(found.fun) * unit
