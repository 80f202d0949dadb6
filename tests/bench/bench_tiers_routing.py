"""Frontiers, cascades and cascade routing against loops of the published shape, in one process.

The rivals are reimplemented from descriptions: RouterBench's hull goes through all triples of
points and looks costs up in lists; its cascade goes row by row; cascade routing decides row by
row. CPU time of this process.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from llmops_cli.stats.frontier import hulls, mean_height, upper_hull
from llmops_cli.tiers.cascade_routing import Stepwise, outcome_of_sets, price_paths
from llmops_cli.tiers.cascades import Ladder, sweep
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import select
from llmops_cli.tiers.supermodels import Beliefs, Supermodels

ROWS = 3148
CAPS = np.geomspace(1e-4, 3e-2, 11)
ERRORS = np.array([0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
PUBLISHED_S = 76.9
"""cascade-routing's bisection over 3 models and as many rows, two cores, whole process."""

RIVAL = "LLMOPS_BENCH_CASCADE_ROUTING"
"""Names a Python that has cascade-routing's package ``selection``; it is not on PyPI."""
RIVAL_ROWS, RIVAL_BUDGETS = 120, 10


def seconds(work: Callable[[], object], runs: int = 1) -> float:
    """Least CPU seconds of a few runs."""
    times: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def triples_hull(points: np.ndarray) -> list[list[float]]:
    """The hull by raising every point to the line between every two around it."""
    ordered = points[points[:, 0].argsort()]
    kept: list[list[float]] = []
    for i in range(len(ordered)):
        for j in range(i, len(ordered)):
            left, right = ordered[i], ordered[j]
            for x, y in ordered:
                if not left[0] < x < right[0]:
                    continue
                line = np.interp(x, [left[0], right[0]], [left[1], right[1]])
                best = max(float(y), float(line))
                if x not in [known for known, _ in kept]:
                    kept.append([x, best])
                else:
                    for point in kept:
                        if point[0] == x:
                            point[1] = max(point[1], best)
                            break
    ends = [[*ordered[0]], [*ordered[-1]]]
    return sorted(kept + ends)


def hull() -> None:
    """AIQ of 200 points."""
    draw = np.random.default_rng(0)
    for n in (50, 200):
        cost = np.sort(draw.random(n))
        points = np.column_stack([cost, np.sqrt(cost) + 0.1 * draw.random(n)])
        area: list[float] = []

        def theirs(points: np.ndarray = points, area: list[float] = area) -> None:
            x, y = np.array(triples_hull(points)).T
            area[:] = [float(np.trapezoid(np.maximum.accumulate(y), x))]

        def ours(points: np.ndarray = points) -> float:
            kept = upper_hull(points[:, 0], points[:, 1])
            x, y = points[kept].T
            flat = np.append(x, points[:, 0].max()), np.append(y, y[-1])
            return float(np.trapezoid(flat[1], flat[0]))

        slow, fast = seconds(theirs), seconds(ours, 20)
        off = abs(area[0] - ours())
        print(f"AIQ hull, {n} points")
        print(f"  through all triples    {1000 * slow:10.1f} ms")
        print(f"  llmops                 {1000 * fast:10.3f} ms  ({slow / fast:,.0f}x)")
        print(f"  areas differ by        {off:10.1e}")


def drawn(models: int) -> Outcomes:
    """Outcomes of RouterBench's size: dearer models are better, hard requests hard for all."""
    draw = np.random.default_rng(1)
    hard = draw.normal(size=(ROWS, 1))
    skill = np.linspace(0.0, 2.0, models)
    quality = (draw.random((ROWS, models)) < 1 / (1 + np.exp(hard - skill))) * 1.0
    cost = np.geomspace(1e-5, 5e-3, models) * draw.uniform(0.5, 1.5, (ROWS, models))
    return Outcomes(
        tuple(f"m{at}" for at in range(models)), quality, cost, None, np.zeros(ROWS, np.int64),
        ("all",), np.arange(ROWS),
    )  # fmt: skip


def row_loop(given: Outcomes, error: float, cap: float) -> tuple[float, float]:
    """One setting: every request up the ladder, verdicts flipped by lot."""
    draw = np.random.default_rng(2)
    quality, cost = 0.0, 0.0
    models = len(given.models)
    for row in range(ROWS):
        spent = 0.0
        for at in range(models):
            spent += given.cost_usd[row, at]
            right = given.quality[row, at] >= 0.5
            last = at == models - 1 or spent + given.cost_usd[row, at + 1] > cap
            if last or right != (draw.random() < error):
                break
        quality += given.quality[row, at]
        cost += spent
    return quality / ROWS, cost / ROWS


def cascade() -> None:
    """88 settings of an eleven-model cascade."""
    given, ladder = drawn(11), Ladder(tuple(range(11)))
    tried = [(error, cap) for error in (ERRORS[1], ERRORS[4]) for cap in CAPS]
    loops: list[tuple[float, float]] = []
    slow = seconds(lambda: loops.extend(row_loop(given, *one) for one in tried))
    slow *= len(ERRORS) * len(CAPS) / len(tried)
    fast = seconds(lambda: sweep(given, ladder, 1 - ERRORS, CAPS), 3)
    found = sweep(given, ladder, 1 - ERRORS[[1, 4]], CAPS)
    off = np.abs(found.quality.ravel() - [quality for quality, _ in loops]).max()
    print(f"cascade sweep, 11 models, 88 settings, {ROWS:,} rows")
    print(f"  row by row             {slow:10.2f} s   (22 settings timed, times 4)")
    print(f"  llmops, exact          {fast:10.3f} s   ({slow / fast:,.0f}x)")
    print(f"  quality differs by     {off:10.4f}    (the draws of the loop)")


def believed(given: Outcomes) -> Beliefs:
    """Outcome plus noise, straightened by least squares: estimates of low noise."""
    draw = np.random.default_rng(3)
    parts: list[np.ndarray] = []
    for noise in (0.6, 0.3):
        seen = given.quality + draw.normal(0, noise, given.quality.shape)
        columns = []
        for x, y in zip(seen.T, given.quality.T, strict=True):
            slope, start = np.polyfit(x, y, 1)
            columns.append(np.clip(start + slope * x, 0.0, 1.0))
        parts.append(np.column_stack(columns))
    before, after = parts
    moved = after - before
    return Beliefs(before, after, given.cost_usd, moved.T @ moved / len(given))


def area(given: Outcomes, beliefs: Beliefs, paths: np.ndarray) -> float:
    """AUC between the cheapest and the dearest model, in percent."""
    rows, ladder = np.arange(len(given)), Ladder(tuple(range(len(given.models))))
    outcome = outcome_of_sets(given, ladder, rows, beliefs.after)
    family = Stepwise(Supermodels(beliefs), rows, paths, outcome)
    every = [family.serve(rows, setting) for setting in range(family.settings)]
    cost = np.array([[one.cost_usd.mean() for one in every]])
    quality = np.array([[one.quality.mean() for one in every]])
    means = given.cost_usd.mean(axis=0)
    floor = given.quality[:, [0]].mean(axis=0)
    return 100 * float(mean_height(hulls(cost, quality), means[[0]], means[[-1]], floor)[0])


def one_by_one(beliefs: Beliefs, price: float) -> None:
    """One shared price: for every request and step, every superset's worth by draws."""
    noise = np.random.default_rng(4).normal(size=(64, 3))
    noise *= np.sqrt(np.diag(beliefs.covariance))
    for row in range(ROWS):
        run = 0
        while True:
            known = [at for at in range(3) if run >> at & 1]
            best, goal = -np.inf, run
            for members in range(1, 8):
                if members & run != run:
                    continue
                unseen = [at for at in range(3) if members >> at & 1 and at not in known]
                drawn_ = np.clip(beliefs.before[row, unseen] + noise[:, unseen], 0, 1)
                columns = [drawn_.max(axis=1)] if unseen else []
                columns += [np.full(64, beliefs.after[row, known].max())] if known else []
                worth = np.max(columns, axis=0).mean()
                worth -= price * beliefs.cost_usd[row, unseen].sum()
                if worth > best:
                    best, goal = worth, members
            if goal == run:
                break
            wanted = [at for at in range(3) if goal >> at & 1 and at not in known]
            run |= 1 << min(wanted, key=lambda at: beliefs.cost_usd[row, at])


def routing() -> None:
    """Cascade routing over 3 models, all prices of its knob."""
    given = drawn(3)
    beliefs = believed(given)
    coarse = price_paths(beliefs.cost_usd)
    fine = price_paths(beliefs.cost_usd, knob=80, shifts=tuple(range(-16, 17, 2)))
    area(given, beliefs, coarse[:2])
    ours = seconds(lambda: area(given, beliefs, coarse))
    found, best = area(given, beliefs, coarse), area(given, beliefs, fine)
    loop = seconds(lambda: one_by_one(beliefs, float(coarse[len(coarse) // 2, 0])))
    print(f"cascade routing, 3 models, {ROWS:,} rows")
    print(f"  row by row, one price  {loop:10.2f} s   ({loop * len(coarse):,.0f} s for all)")
    print(f"  published bisection    {PUBLISHED_S:10.2f} s   (quoted, not run here)")
    print(
        f"  llmops, {len(coarse):,} price paths {ours:6.2f} s   ({PUBLISHED_S / ours:,.0f}x that)"
    )
    print(f"  AUC {found:.3f} %, with {len(fine):,} price paths {best:.3f} %")


def against_the_package() -> None:
    """The same estimates, budgets and rows through cascade-routing itself, where there is one."""
    python = os.environ.get(RIVAL)
    if not python or subprocess.run([python, "-c", "import selection"], check=False).returncode:
        print(f"  cascade-routing itself            NOT COMPARED: no Python has it, see {RIVAL}")
        return
    given = select(drawn(3), np.arange(RIVAL_ROWS))
    beliefs = believed(given)
    means = given.cost_usd.mean(axis=0)
    budgets = np.linspace(means[0], means[-1], RIVAL_BUDGETS)
    paths = price_paths(beliefs.cost_usd)
    area(given, beliefs, paths[:2])
    ours = seconds(lambda: area(given, beliefs, paths))
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    np.savez(
        folder / "estimates.npz", before=beliefs.before, after=beliefs.after,
        cost=given.cost_usd, quality=given.quality, covariance=beliefs.covariance, budgets=budgets,
    )  # fmt: skip
    script = Path(__file__).with_name("rival_cascade_routing.py")
    command = [python, str(script), str(folder / "estimates.npz")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    cost, quality = np.array(told["points"]).T
    floor = given.quality[:, [0]].mean(axis=0)
    found = hulls(cost[None], quality[None])
    theirs = 100 * float(mean_height(found, means[[0]], means[[-1]], floor)[0])
    mine = area(given, beliefs, paths)
    shared = area(given, beliefs, price_paths(beliefs.cost_usd, shifts=(0,)))
    print(f"  cascade-routing itself, {RIVAL_ROWS} rows, {RIVAL_BUDGETS} budgets")
    print(f"    package {told['seconds']:8.2f} s   AUC {theirs:.3f} %")
    print(f"    llmops  {ours:8.2f} s   AUC {mine:.3f} %   ({told['seconds'] / ours:,.0f}x)")
    print(f"    with one price for every step, as the package here      {shared:.3f} %")


def main() -> None:
    """Print every part."""
    hull()
    cascade()
    routing()
    against_the_package()


if __name__ == "__main__":
    main()
