"""simulate-rollout's engine: 10,000 rollouts of five stages, looked at hourly, over one day.

The log is a day of 100,000 requests of 20,000 users with errors, durations and scores. On the same
runs the decisions of gbstats' sequential test, the fastest maintained one of its kind: by arrays
for all of them, and in a loop over gbstats itself for some. gbstats wants an older numpy than
ours, so it lives in an environment of its own, whose Python is named in LLMOPS_BENCH_GBSTATS:

    python3.11 -m venv .bench/gbstats && .bench/gbstats/bin/pip install gbstats==0.8.0
    LLMOPS_BENCH_GBSTATS=.bench/gbstats/bin/python make bench
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import COLUMNS, arrow_schema, from_arrow
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.rehearsal import OWN, RULES, WENT_BACK
from llmops_cli.rollout.replay import Paths, Replay
from llmops_cli.rollout.schedule import Schedule, make_schedule
from llmops_cli.stats.mixture import mixture_critical, mixture_precision

REQUESTS, USERS, RUNS, RIVAL_RUNS = 100_000, 20_000, 10_000, 200
HOURS = (5, 5, 5, 5, 4)
WORSE = Change(name="worse", error_rise=0.01)
ALPHA, TUNED_AT = 0.1, 5000.0
"""Two-sided over all looks of one guardrail, and gbstats' own tuning."""

T = TypeVar("T")

RIVAL = "LLMOPS_BENCH_GBSTATS"
DEFAULT_RIVAL = Path(".bench/gbstats/bin/python")


def make_log() -> pd.DataFrame:
    """A day of calls, busier at noon than at midnight."""
    draw = np.random.default_rng(1)
    hours = draw.triangular(0, 14, 24, REQUESTS)
    filled = {
        "call_id": [f"m{i}" for i in range(REQUESTS)],
        "start_time": (np.sort(hours) * 3.6e9).astype(np.int64) + 1_788_220_800_000_000,
        "user_id": [f"u{i}" for i in draw.integers(0, USERS, REQUESTS)],
        "error_type": np.where(draw.random(REQUESTS) < 0.02, "overloaded_error", None),
        "duration_s": np.exp(draw.normal(0, 0.4, REQUESTS)),
        "evaluation_score": (draw.random(REQUESTS) < 0.9).astype(float),
    }
    arrays = [
        pa.array(filled.get(column.name, [None] * REQUESTS), type=column.type, from_pandas=True)
        for column in COLUMNS
    ]
    return from_arrow(pa.table(arrays, schema=arrow_schema()))


def one_day(plan: Plan, arrivals: np.ndarray) -> Plan:
    """The same plan with its stages laid out over the hours of one day."""
    ends = np.cumsum(HOURS)
    sizes = [int(part.sum()) for part in np.split(arrivals, ends[:-1])]
    stages = (replace(stage, requests=size) for stage, size in zip(plan.stages, sizes, strict=True))
    return replace(plan, stages=tuple(stages))


@dataclass(frozen=True)
class Timed:
    """Seconds of work: by the clock, and of the processor in all threads."""

    clock: float
    busy: float


def timed(work: Callable[[], T]) -> tuple[T, Timed]:
    """What a piece of work returns, and what it took."""
    clock, busy = time.perf_counter(), time.process_time()
    found = work()
    return found, Timed(time.perf_counter() - clock, time.process_time() - busy)


def served(log: pd.DataFrame, change: Change, runs: int) -> tuple[Plan, Schedule, Paths]:
    """Serve the log again under a plan of one day."""
    plan = draw_plan(log, RolloutParameters())
    users = pd.factorize(log["user_id"])[0].astype(np.int64)
    replay = Replay.of(log, users, plan.guardrails, 3600.0, change)
    laid = one_day(plan, replay.arrivals)
    schedule = make_schedule(laid, replay.arrivals, 3600.0)
    return laid, schedule, replay.play(schedule, runs, np.random.default_rng(0))


def rehearsed(log: pd.DataFrame) -> tuple[np.ndarray, float, float]:
    """Play 10,000 rollouts and judge them by the plan, and print what each took.

    Returns:
        What they saw; seconds of processor a rollout, of the decisions and of the whole.
    """
    (plan, schedule, paths), play = timed(lambda: served(log, NO_CHANGE, RUNS))
    found, judge = timed(lambda: RULES[OWN](paths, plan, schedule))
    clock, busy = play.clock + judge.clock, play.busy + judge.busy
    print(f"simulate-rollout, {RUNS:,} rollouts of five stages, {schedule.looks} hourly looks,")
    print(f"{len(plan.guardrails)} guardrails, on a day of {REQUESTS:,} requests")
    print(f"  log served again, and judged      {clock:8.2f} s  ({busy:.2f} s of CPU)")
    print("  asked for                            10.00 s  on two cores")
    print(f"  harmless changes that go back     {100 * found.count(WENT_BACK) / found.runs:8.2f} %")
    print(f"  of that, the plan's decisions     {1e6 * judge.busy / RUNS:8.1f} us a rollout")
    return counts_of(plan, schedule, paths), judge.busy / RUNS, busy / RUNS


def counts_of(plan: Plan, schedule: Schedule, paths: Paths) -> np.ndarray:
    """``(R, T, G, 4)`` requests and bad ones since the stage began, new version first."""
    each = list[np.ndarray]()
    for index in range(len(plan.guardrails)):
        parts = list[np.ndarray]()
        for stage in schedule.stages:
            arms = paths.arms(index, stage)
            sums = (arms.treated.n, arms.treated.total, arms.control.n, arms.control.total)
            # An hour whose level was evened out may owe a bad request.
            wide = [np.broadcast_to(np.maximum(item, 0), arms.harm.shape) for item in sums]
            parts.append(np.stack(wide, axis=-1))
        each.append(np.concatenate(parts, axis=1))
    return np.stack(each, axis=2)


def by_arrays(counts: np.ndarray) -> np.ndarray:
    """``(R,)`` the look at which gbstats' test goes back, -1 for none: all runs at once."""
    n_new, bad_new, n_old, bad_old = (counts[..., place] for place in range(4))
    new, old = bad_new / np.maximum(n_new, 1), bad_old / np.maximum(n_old, 1)
    spread = new * (1 - new) / np.maximum(n_new, 1) + old * (1 - old) / np.maximum(n_old, 1)
    sizes = n_new + n_old
    precision = mixture_precision(TUNED_AT, ALPHA)
    limits = mixture_critical(np.maximum(sizes, 1e-9), alpha=ALPHA, precision=precision)
    # As theirs: no test while either version has no bad request, or nothing else.
    varies = (new * (1 - new) > 0) & (old * (1 - old) > 0)
    back = (varies & (new - old > limits * np.sqrt(spread))).any(axis=-1)
    return np.where(back.any(axis=1), back.argmax(axis=1), -1)


def rival_python() -> str | None:
    """The Python that has gbstats; None where there is none that can import it."""
    for python in (os.environ.get(RIVAL), DEFAULT_RIVAL if DEFAULT_RIVAL.exists() else None):
        if python and not subprocess.run([python, "-c", "import gbstats"], check=False).returncode:
            return str(python)
    return None


def in_a_loop(python: str, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of processor that gbstats took, and the look at which each run went back."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "counts.npz"
        np.savez(path, counts=counts, alpha=ALPHA, tuned_at=TUNED_AT)
        script = Path(__file__).with_name("rival_gbstats.py")
        done = subprocess.run([python, script, path], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return found["seconds"], np.array(found["looks"])


def main() -> int:
    """Print the time, and how many times as long the rival takes; 1 where decisions differ."""
    log = make_log()
    counts, judged, whole = rehearsed(log)
    ours, took = timed(lambda: by_arrays(counts))
    each = took.busy / RUNS
    print(f"gbstats' test of every guardrail at every look, {RUNS:,} rollouts")
    print(f"  by arrays                         {1e6 * each:8.1f} us a rollout")
    python = rival_python()
    if python is None:
        print(f"  gbstats                           NOT COMPARED: no Python has it, see {RIVAL}")
        return 0
    seconds, theirs = in_a_loop(python, counts[:RIVAL_RUNS])
    worse = counts_of(*served(log, WORSE, RIVAL_RUNS))
    same = int((ours[:RIVAL_RUNS] == theirs).sum())
    same += int((by_arrays(worse) == in_a_loop(python, worse)[1]).sum())
    loop = seconds / RIVAL_RUNS
    print(f"  gbstats, {RIVAL_RUNS} of them in a loop    {1e6 * loop:8.1f} us a rollout")
    print(f"  the same decisions, half of worse {same:8,} of {2 * RIVAL_RUNS}")
    print(f"  times as fast, the same decisions {loop / each:8.0f}x (asked for: 50x)")
    print(f"  times as fast, the plan's         {loop / judged:8.0f}x")
    print(f"  times as fast, log served and all {loop / whole:8.0f}x")
    return 0 if same == 2 * RIVAL_RUNS else 1


if __name__ == "__main__":
    sys.exit(main())
