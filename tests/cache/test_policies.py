"""Where each placement marks, and that marking with foresight beats marking by rule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.bounds import lower_bounds
from llmops_cli.cache.policies import breakpoints, static_end
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable

Build = Callable[..., CallsTable]
Bill = Callable[..., npt.NDArray[np.int64]]
Trace = Callable[..., CacheTrace]

TOOL, SYSTEM, THINKING = BlockKind.TOOL, BlockKind.SYSTEM, BlockKind.THINKING
PRICES = np.array([1.0, 0.1, 1.25, 2.0])


def agent(messages: int) -> list[tuple[Any, ...]]:
    return [
        ("tools", 2000, "", TOOL),
        ("system", 2000, "", SYSTEM),
        *((f"m{n}", 100) for n in range(messages)),
    ]


@pytest.mark.parametrize(
    ("policy", "messages", "places"),
    [
        ("automatic-5m", 5, [(6, "5m")]),
        ("automatic-1h", 5, [(6, "1h")]),
        ("static-prefix-5m", 5, [(1, "5m")]),
        ("static-prefix-1h", 0, [(1, "1h")]),
        ("moving-tail-5m", 5, [(1, "5m"), (6, "5m")]),
        ("moving-tail-1h", 30, [(1, "1h"), (11, "1h"), (31, "1h")]),
        ("moving-tail-mixed", 60, [(1, "1h"), (21, "5m"), (41, "5m"), (61, "5m")]),
        ("moving-tail-5m", 0, [(1, "5m")]),
        ("none", 5, []),
    ],
)
def test_where_a_rule_marks(
    log: Build, traced: Trace, policy: str, messages: int, places: list[tuple[int, str]]
) -> None:
    marks = breakpoints(traced(log({"blocks": agent(messages)})), policy, load_rules())
    hours = ["1h" if hour else "5m" for hour in marks.hour.tolist()]
    assert list(zip(marks.position.tolist(), hours, strict=True)) == places


def test_thinking_and_short_prefixes_are_never_marked(log: Build, traced: Trace) -> None:
    blocks = [("system", 500, "", SYSTEM), ("q", 700), ("thought", 90, "", THINKING)]
    marks = breakpoints(traced(log({"blocks": blocks})), "moving-tail-5m", load_rules())
    assert marks.position.tolist() == [1]  # R10: 500 tokens are below the minimum; R11: no thought


def test_without_a_static_part_there_is_nothing_static_to_mark(log: Build, traced: Trace) -> None:
    trace = traced(log({"blocks": [("q", 3000)]}, {"at": 1, "blocks": agent(1)}))
    assert static_end(trace).tolist() == [-1, 2]
    assert breakpoints(trace, "static-prefix-5m", load_rules()).position.tolist() == [2]


def layered() -> list[dict[str, Any]]:
    """Tools for all, a handbook per team, a document per task, then questions nobody repeats."""
    calls: list[dict[str, Any]] = []
    for number in range(48):
        team, task = number % 3, number // 3 % 4
        calls.append(
            {
                "at": 20 * number,
                "blocks": [
                    ("tools", 3000, "", TOOL),
                    (f"handbook {team}", 4000, "", SYSTEM),
                    (f"document {team} {task}", 5000),
                    (f"question {number}", 800),
                ],
            }
        )
    return calls


def spend(rows: npt.NDArray[np.int64]) -> float:
    return float((rows * PRICES).sum())


@pytest.mark.parametrize("lifetime", ["5m", "1h", "mixed"])
def test_the_best_four_mark_every_shared_layer_and_no_unique_tail(
    log: Build, bill: Bill, traced: Trace, lifetime: str
) -> None:
    calls = log(*layered())
    best = bill(calls, f"best-4-{lifetime}")
    rest = ("5m", "1h") if lifetime == "mixed" else (lifetime,)
    for kind in rest:
        for placement in ("automatic", "static-prefix", "moving-tail"):
            assert spend(best) < spend(bill(calls, f"{placement}-{kind}"))
    assert best[-1].tolist() == [800, 12_000, 0, 0]
    prices = np.tile([*PRICES, 0.0], (48, 1))
    least = lower_bounds(traced(calls), prices, load_rules())
    bound = least["LB3"] if lifetime == "mixed" else least[f"LB2-{lifetime}"]
    assert bound <= spend(best) < 1.1 * bound


def test_the_best_four_write_nothing_that_is_not_read(log: Build, bill: Bill) -> None:
    calls = log(*({"at": 60 * n, "blocks": [(f"unique {n}", 5000)]} for n in range(5)))
    assert bill(calls, "best-4-1h")[:, 1:].sum() == 0


def test_the_best_four_keep_what_is_stored_within_reach(log: Build, bill: Bill) -> None:
    # The last turn is never continued: it still has to look up what the one before left.
    turns = [{"at": 30 * n, "blocks": agent(1 + 12 * n)} for n in range(4)]
    rows = bill(log(*turns), "best-4-5m")
    assert rows[:, 1].tolist() == [0, 4100, 5300, 6500]
    assert rows[-1].tolist() == [1200, 6500, 0, 0]
