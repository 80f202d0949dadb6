"""simulate-rollout's engine: 10,000 rollouts of five stages, looked at hourly, over one day.

The log is a day of 100,000 requests of 20,000 users with errors, durations and scores. Beside it
the same decisions of one guardrail made in a loop over gbstats' sequential test, the fastest
maintained one of its kind, where that is installed (it wants an older numpy than ours).
"""

import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import COLUMNS, arrow_schema, from_arrow
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.boundaries import harm_limits
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.rehearsal import OWN, RULES, WENT_BACK, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.schedule import make_schedule

REQUESTS, USERS, RUNS, LOOKS = 100_000, 20_000, 10_000, 24
HOURS = (5, 5, 5, 5, 4)


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


def ours() -> None:
    """Print the time of 10,000 rollouts, replay and decisions."""
    log = make_log()
    plan = draw_plan(log, RolloutParameters())
    users = pd.factorize(log["user_id"])[0].astype(np.int64)
    wall, busy = time.perf_counter(), time.process_time()
    replay = Replay.of(log, users, plan.guardrails, 3600.0)
    plan = one_day(plan, replay.arrivals)
    schedule = make_schedule(plan, replay.arrivals, 3600.0)
    (found,) = rehearse(replay, plan, schedule, [RULES[OWN]], RUNS, 0)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    back = found.count(WENT_BACK) / found.runs
    print(f"simulate-rollout, {RUNS:,} rollouts, {schedule.looks} looks, {REQUESTS:,} requests")
    print(f"  three guardrails, replay and all  {wall:6.2f} s  ({busy:.2f} s of CPU)")
    print(f"  harmless changes that go back     {100 * back:6.2f} %")


def decisions() -> None:
    """Print the time of the same decisions from counts: ours at once, the rival's in a loop."""
    draw = np.random.default_rng(2)
    requests = np.array([2000])
    treated = draw.binomial(requests // 4, 0.02, (RUNS, LOOKS)).cumsum(axis=1)
    control = draw.binomial(requests * 3 // 4, 0.02, (RUNS, LOOKS)).cumsum(axis=1)
    n_treated = np.arange(1.0, LOOKS + 1) * 500
    n_control = np.arange(1.0, LOOKS + 1) * 1500
    start = time.perf_counter()
    information = 1 / (1 / n_treated + 1 / n_control)
    share = (treated + control) / (n_treated + n_control)
    harm = treated / n_treated - control / n_control
    z = harm * np.sqrt(information / np.maximum(share * (1 - share), 1e-12))
    back = (z > harm_limits("mixture", information, information, 0.05)).any(axis=1).mean()
    taken = (time.perf_counter() - start) / (RUNS * LOOKS)
    print(f"one guardrail from counts, {RUNS:,} x {LOOKS} looks: {1e6 * taken:.3f} us a look")
    print(f"  harmless changes that go back     {100 * back:6.2f} %")
    if find_spec("gbstats") is None:
        print("  gbstats                           not installed: not compared")
        return
    theirs = in_a_loop(treated[:500], control[:500], n_treated, n_control)
    print(
        f"  gbstats, look by look             {1e6 * theirs:.1f} us a look ({theirs / taken:.0f}x)"
    )


def in_a_loop(
    treated: np.ndarray, control: np.ndarray, n_treated: np.ndarray, n_control: np.ndarray
) -> float:
    """Seconds a look of gbstats' sequential test, each run stopped at its first rollback."""
    from gbstats.frequentist.tests import (  # noqa: PLC0415 - only where it is installed
        SequentialConfig,
        SequentialTwoSidedTTest,
    )
    from gbstats.models.statistics import ProportionStatistic  # noqa: PLC0415 - as above

    config = SequentialConfig(alpha=0.1, sequential_tuning_parameter=5000)
    start = time.perf_counter()
    for row, other in zip(treated.tolist(), control.tolist(), strict=True):
        for look, (bad, beside) in enumerate(zip(row, other, strict=True)):
            new = ProportionStatistic(n=int(n_treated[look]), sum=bad)
            old = ProportionStatistic(n=int(n_control[look]), sum=beside)
            if SequentialTwoSidedTTest([(old, new)], config).compute_result().ci[0] > 0:
                break
    return (time.perf_counter() - start) / treated.size


def main() -> None:
    """Print both parts."""
    ours()
    decisions()


if __name__ == "__main__":
    main()
