"""The plan that the command writes is the best of all plans, tried one by one."""

import ctypes
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import yaml

from llmops_cli.cli.simulate_tiers_quiet import quiet_stdout

Run = Callable[..., CompletedProcess[str]]

MODELS, TASKS, ROWS = ("a", "b", "c"), ("x", "y", "z", "w"), 160


def write(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A wide table; mean quality and cost of every class and model, ``(4, 3)`` each."""
    draw = np.random.default_rng(seed)
    quality = (draw.random((ROWS, 3)) < np.array([0.55, 0.7, 0.9])) * 1.0
    cost = np.round(np.array([0.001, 0.004, 0.02]) * draw.uniform(0.5, 1.5, (ROWS, 3)), 6)
    head = ["id", "task", *(f"{m}{part}" for m in MODELS for part in ("", "|cost"))]
    lines = [",".join(head)]
    for row in range(ROWS):
        pairs = (f"{quality[row, m]:g},{cost[row, m]:g}" for m in range(3))
        lines.append(f"{row},{TASKS[row % 4]},{','.join(pairs)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    means = [[part[k::4].mean(axis=0) for k in range(4)] for part in (quality, cost)]
    return np.array(means[0]), np.array(means[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "asked"),
    [
        (0, {"floor": 0.85}),
        (1, {"floor": 0.9, "capacity": 0.5}),
        (2, {"budget": 8.0}),
        (3, {"floor": 0.8, "budget": 12.0, "capacity": 0.5}),
    ],
)
def test_the_written_plan_is_the_best_of_all(
    llmops: Run, tmp_path: Path, seed: int, asked: dict[str, float]
) -> None:
    quality, cost = write(tmp_path / "t.csv", seed)
    options = [
        item
        for name, value in asked.items()
        for item in (f"--{name}", f"c={value}" if name == "capacity" else str(value))
    ]
    done = llmops(
        "simulate-tiers", "t.csv", *options, "--evidence", "point", "--reference", "c",
        "-o", "plan.yaml", "-q",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text("utf-8"))
    chosen = {item["task"]: item["models"][0]["model"] for item in plan["classes"]}
    ours = tuple(MODELS.index(chosen[task]) for task in TASKS)
    best, at = None, np.arange(4)
    for tried in itertools.product(range(3), repeat=4):
        q, c = quality[at, tried].mean(), cost[at, tried].mean()
        if q < asked.get("floor", 0.0) * quality[:, 2].mean() - 1e-9:
            continue
        if 1000 * c > asked.get("budget", np.inf) or tried.count(2) / 4 > asked.get("capacity", 1):
            continue
        value = c if "floor" in asked else -q
        best = value if best is None else min(best, value)
    assert best is not None
    mine = cost[at, ours].mean() if "floor" in asked else -quality[at, ours].mean()
    assert mine == pytest.approx(best)
    assert plan["cost_usd_per_1000"] == pytest.approx(1000 * cost[at, ours].mean())


def test_what_c_code_prints_while_a_plan_is_sought_goes_nowhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    library = ctypes.CDLL(None)
    library.printf(b"before\n")
    with quiet_stdout():
        library.printf(b"a line of the solver\n")
        os.write(1, b"another\n")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "before\nafter\n"
