"""simulate-tiers: assignments against the solver without its warm answer, and a million rows.

CPU seconds; the million rows as a whole process with its peak memory.
"""

import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmops_cli.cli.simulate_tiers_quiet import quiet_stdout
from llmops_cli.tiers.assignment_greedy import walk
from llmops_cli.tiers.assignment_problem import Problem
from llmops_cli.tiers.assignment_solver import solve

CLASSES, MODELS = 500, 12
REQUESTS = 250_000


def problem() -> Problem:
    """Dearer models are better in every class, by how much differs."""
    draw = np.random.default_rng(0)
    weight = draw.dirichlet(np.ones(CLASSES))
    quality = np.sort(draw.random((CLASSES, MODELS)) * 0.4 + 0.6, axis=1)
    cost = np.exp(np.linspace(-9, -4, MODELS)) * np.exp(draw.normal(0, 0.3, quality.shape))
    floor = 0.95 * float((weight * quality[:, -1]).sum())
    admitted = np.ones(cost.shape, np.bool_)
    return Problem(weight=weight, cost=cost, quality=quality, admitted=admitted, floor=floor)


def plain(asked: Problem) -> float:
    """The same by the solver alone: what the bound and the pruning are worth."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - timed with it

    rows = np.arange(CLASSES * MODELS)
    each = np.zeros((CLASSES, CLASSES * MODELS))
    each[rows // MODELS, rows] = 1
    part = asked.weight[:, None]
    price = (part * asked.cost).ravel()
    unit = price.max()
    with quiet_stdout():
        found = milp(
            price / unit,
            integrality=np.ones(len(rows)),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(each, 1, 1),
                LinearConstraint((part * asked.quality).reshape(1, -1), asked.floor, np.inf),
            ],
            options={"mip_rel_gap": 1e-7},
        )
    return float(found.fun) * unit


def timed(function: object, *arguments: object) -> tuple[float, object]:
    """CPU seconds of one call, and what it returned."""
    start = time.process_time()
    found = function(*arguments)  # type: ignore[operator]
    return time.process_time() - start, found


def assignments() -> None:
    """Print the times of one floor, and of every limit at once."""
    asked = problem()
    solve(asked)  # loads scipy
    walked, first = timed(walk, asked)
    taken, found = timed(solve, asked)
    alone, best = timed(plain, asked)
    hard = [timed(solve, limited) for limited in several(asked)]
    print(f"assignment of {CLASSES} classes x {MODELS} models, CPU seconds (aim: under 3)")
    print(f"  walk of the hulls             {walked:6.3f} s  (gap {_gap(first):.1e})")
    print(f"  one floor, solved             {taken:6.3f} s  (gap {found.gap:.1e})")  # type: ignore[attr-defined]
    print(f"  the solver without the walk   {alone:6.3f} s  ({alone / taken:.1f}x ours)")
    print(f"    costs agree to              {abs(best / found.objective - 1):.1e}")  # type: ignore[attr-defined,operator]
    for (spent, each), name in zip(hard, SEVERAL, strict=True):
        print(f"  {name:30}{spent:6.3f} s  (gap {each.gap:.1e})")  # type: ignore[attr-defined]


SEVERAL = ("with capacities", "with capacities and providers", "with a p95", "random, with all")


def several(asked: Problem) -> tuple[Problem, ...]:
    """The same with more limits, and one whose costs and qualities are drawn at random."""
    draw = np.random.default_rng(7)
    capacity = np.full(MODELS, 0.4)
    providers = {"provider": np.arange(MODELS) // 3, "max_providers": 3}
    slow = draw.random(asked.cost.shape) * 0.12
    quality, cost = draw.random(asked.cost.shape), draw.random(asked.cost.shape)
    floor = 0.8 * float((asked.weight * quality.max(axis=1)).sum())
    return (
        replace(asked, capacity=capacity),
        replace(asked, capacity=capacity, **providers),
        replace(asked, slow=slow),
        replace(
            asked, quality=quality, cost=cost, floor=floor, capacity=capacity, slow=slow,
            **providers,
        ),
    )  # fmt: skip


def _gap(found: object) -> float:
    return float(found.objective / found.bound - 1)  # type: ignore[attr-defined]


def write_answers(path: Path) -> None:
    """A long table: four models, twenty classes, four requests to a cluster."""
    draw = np.random.default_rng(0)
    task = draw.integers(0, 20, REQUESTS)
    with path.open("w", encoding="utf-8") as file:
        file.write("request_id,model,quality,cost,latency,task,cluster\n")
        for model in range(4):
            right = draw.random(REQUESTS) < 0.6 + 0.09 * model
            cost = 0.001 * 4**model * draw.lognormal(0, 0.3, REQUESTS)
            late = (1 + model) * draw.lognormal(0, 0.3, REQUESTS)
            for row in range(REQUESTS):
                file.write(
                    f"r{row},m{model},{right[row]:d},{cost[row]:.6f},{late[row]:.3f},"
                    f"t{task[row]},c{row // 4}\n"
                )


def million(folder: Path) -> None:
    """Print CPU time and peak memory of the whole command on a million answers."""
    path = folder / "answers.csv"
    write_answers(path)
    command = (sys.executable, "-m", "llmops_cli", "simulate-tiers", str(path))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"simulate-tiers on {4 * REQUESTS:,} outcome rows, whole process (aim: under 1 GB)")
    print(f"  CPU                           {spent:6.1f} s")
    print(f"  peak memory                   {after.ru_maxrss / 1024:6.0f} MB")


def main() -> None:
    """Print both parts."""
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    assignments()
    million(folder)


if __name__ == "__main__":
    main()
