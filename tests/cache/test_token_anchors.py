"""Tokens from usage: what it pins down is exact, the rest is measured on held-out conversations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.block_spend import block_usd, deviation, read_usd
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.token_anchors import Anchors, anchor
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.traffic.blocks import apportion

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]
Bill = Callable[..., npt.NDArray[np.int64]]
Ints = npt.NDArray[np.int64]
Calls = list[dict[str, Any]]


def agents(count: int, turns: int, *, marked: str = "tail", seed: int = 1) -> Calls:
    """Conversations under shared tools and system; each block has bytes of its own per token."""
    draw = np.random.default_rng(seed)
    calls = Calls()
    for c in range(count):
        blocks: list[tuple[Any, ...]] = [
            ("tools", 3000, "", BlockKind.TOOL),
            ("system", 2000, "", BlockKind.SYSTEM),
        ]
        for turn in range(turns):
            kind = BlockKind.ASSISTANT if turn % 2 else BlockKind.USER
            blocks.append((f"c{c} t{turn}", int(draw.integers(100, 900)), "", kind))
            marks = {len(blocks) - 1, 1} if marked == "tail" else {1}
            calls.append(
                {
                    "at": 9000 * c + 60 * turn,
                    "conversation_id": f"c{c}",
                    "blocks": [
                        (name, tokens, "5m" if at in marks else "", kind)
                        for at, (name, tokens, _, kind) in enumerate(blocks)
                    ],
                }
            )
    return calls


BYTES = {BlockKind.TOOL: 2.6, BlockKind.SYSTEM: 4.4, BlockKind.USER: 4.0, BlockKind.ASSISTANT: 3.4}


class Logged:
    """A log as a reader makes it: usage from the true tokens, blocks from their bytes."""

    def __init__(self, log: Build, traced: Trace, bill: Bill, calls: Calls) -> None:
        whole = log(*calls)
        self.true = traced(whole)
        self.billed = np.column_stack([bill(whole), np.full(len(calls), 10)])
        sizes = np.rint(
            [
                tokens * BYTES[kind] * (1 + 0.06 * np.sin(hash_of(name)))
                for call in calls
                for name, tokens, _, kind in call["blocks"]
            ]
        ).astype(np.int64)
        shared = apportion(self.billed[:, :4].sum(axis=1), sizes, self.true.offsets)
        flat = iter(shared.tolist())
        by_bytes = [
            call | {"blocks": [(b[0], next(flat), *b[2:]) for b in call["blocks"]]}
            for call in calls
        ]
        self.trace = traced(log(*by_bytes))
        self.sizes = sizes
        self.counted = np.ones(len(calls), np.bool_)

    def anchored(self) -> Anchors:
        return anchor(self.trace, self.billed, self.counted, load_rules())

    def error(self, trace: CacheTrace) -> npt.NDArray[np.float64]:
        true = self.true.depth_tokens
        return np.abs(trace.depth_tokens - true) / true


def hash_of(name: object) -> int:
    return sum(map(ord, str(name)))


def test_the_prefix_up_to_the_last_breakpoint_is_exact(
    log: Build, traced: Trace, bill: Bill
) -> None:
    logged = Logged(log, traced, bill, agents(6, 8))
    before, after = logged.error(logged.trace), logged.error(logged.anchored().trace)
    tail = logged.trace.offsets[1:] - 1
    assert (after[tail] == 0).all()
    assert before.max() > 0.02
    assert np.median(after) == 0 < np.median(before)


def test_turns_of_an_append_only_conversation_are_told_apart_by_their_totals(
    log: Build, traced: Trace, bill: Bill
) -> None:
    # Only the system prompt is marked: the growing part is pinned down by totals alone.
    logged = Logged(log, traced, bill, agents(4, 8, marked="static"))
    found = logged.anchored()
    assert logged.error(found.trace)[found.exact].max() == 0
    assert found.exact.mean() > 0.8


def test_a_read_pins_down_a_shallower_breakpoint(log: Build, traced: Trace, bill: Bill) -> None:
    # The first call writes both breakpoints as one sum; only the second call's read splits it.
    calls = [
        {
            "at": 60 * n,
            "conversation_id": f"c{n}",
            "blocks": [
                ("tools", 3000, "", BlockKind.TOOL),
                ("system", 2000, "5m", BlockKind.SYSTEM),
                (f"question {n}", 900, "5m", BlockKind.USER),
            ],
        }
        for n in range(2)
    ]
    logged = Logged(log, traced, bill, calls)
    assert logged.billed[1, 1] == 5000
    found = logged.anchored()
    assert logged.trace.depth_tokens[1] != 5000
    assert found.trace.depth_tokens[[1, 4]].tolist() == [5000, 5000]
    assert found.exact[[1, 4]].all()


def test_an_hourly_write_pins_down_its_breakpoint(log: Build, traced: Trace, bill: Bill) -> None:
    blocks = [
        ("tools", 3000, "1h", BlockKind.TOOL),
        ("system", 2000, "5m", BlockKind.SYSTEM),
        ("question", 900, "", BlockKind.USER),
    ]
    logged = Logged(log, traced, bill, [{"blocks": blocks}])
    assert logged.billed[0, :4].tolist() == [900, 0, 2000, 3000]
    assert logged.anchored().trace.depth_tokens.tolist() == [3000, 5000, 5900]


def test_what_a_call_adds_to_every_prompt_is_no_part_of_its_prefix(
    log: Build, traced: Trace, bill: Bill
) -> None:
    logged = Logged(log, traced, bill, agents(3, 6))
    logged.billed[:, 0] += 7  # after the breakpoint on the very last block
    found = logged.anchored()
    inner = found.exact.copy()
    inner[logged.trace.offsets[1:] - 1] = False
    assert found.conflicts == 0
    assert (found.trace.depth_tokens - logged.true.depth_tokens)[inner].max() == 0


def test_held_out_conversations_show_the_error_of_interpolation(
    log: Build, traced: Trace, bill: Bill
) -> None:
    # The tail alone is marked and nothing is shared: inside, a held-out call has only bytes.
    calls = [
        {
            "at": 9000 * c,
            "conversation_id": f"c{c}",
            "blocks": [
                (f"system {c}", 1500 + 10 * c, "", BlockKind.SYSTEM),
                (f"document {c}", 2500 - 20 * c, "5m", BlockKind.ASSISTANT),
                (f"question {c}", 400, "", BlockKind.USER),
            ],
        }
        for c in range(20)
    ]
    logged = Logged(log, traced, bill, calls)
    found = logged.anchored()
    marked = np.arange(1, 60, 3)
    unanchored = logged.error(logged.trace)[marked]
    assert found.error.prefixes == 20
    assert found.error.median == pytest.approx(np.median(unanchored), rel=0.05)
    assert found.error.median < found.error.high <= unanchored.max() + 1e-12
    assert found.log_spread == pytest.approx(found.error.high / 1.96)


def test_a_log_without_usage_says_so_and_is_given_the_spread_of_the_rule(
    log: Build, traced: Trace, bill: Bill
) -> None:
    logged = Logged(log, traced, bill, agents(3, 4))
    logged.counted[:] = False
    found = logged.anchored()
    assert (found.counted, found.error.prefixes) == (0, 0)
    assert np.isnan(found.error.median)
    assert not found.exact.any()
    assert found.trace.depth_tokens.tolist() == logged.trace.depth_tokens.tolist()
    assert np.quantile(np.abs(np.expm1(found.log_spread * gaussian())), 0.5) == pytest.approx(
        0.192, abs=0.01
    )


def gaussian() -> npt.NDArray[np.float64]:
    return np.random.default_rng(3).normal(size=200_000)


def test_a_call_without_usage_takes_what_others_know_of_its_prompt(
    log: Build, traced: Trace, bill: Bill
) -> None:
    logged = Logged(log, traced, bill, agents(5, 6))
    logged.counted[-1] = False
    # What the reader's rule makes of it: too many tokens all over.
    start = logged.trace.offsets[-2]
    logged.trace.depth_tokens[start:] = logged.trace.depth_tokens[start:] * 3 // 2
    before = logged.error(logged.trace)[start:]
    after = logged.error(logged.anchored().trace)[start:]
    assert before.max() > 0.3
    assert after[2:-1].max() == 0
    assert after[-1] < 0.02


def test_one_prefix_has_one_length_in_every_call(log: Build, traced: Trace, bill: Bill) -> None:
    # Nothing pins down where the tools end; each call's own bytes would give its own answer.
    logged = Logged(log, traced, bill, agents(5, 6))
    first = logged.trace.offsets[:-1]
    assert len(set(logged.trace.depth_tokens[first].tolist())) > 5
    found = logged.anchored()
    assert not found.exact[first].any()
    assert len(set(found.trace.depth_tokens[first].tolist())) == 1


def test_anchors_that_contradict_each_other_are_counted_and_stay_in_order(
    log: Build, traced: Trace, bill: Bill
) -> None:
    logged = Logged(log, traced, bill, agents(4, 6))
    logged.billed[9, 1] += 700
    logged.billed[9, 0] -= min(700, logged.billed[9, 0])
    found = logged.anchored()
    assert found.conflicts >= 1
    assert (found.trace.block_tokens >= 0).all()
    assert found.trace.prompt_tokens.tolist() == logged.trace.prompt_tokens.tolist()


def test_blocks_cost_what_their_call_was_billed(log: Build, traced: Trace, bill: Bill) -> None:
    logged = Logged(log, traced, bill, agents(4, 6))
    per_token = np.tile([3e-6, 0.3e-6, 3.75e-6, 6e-6, 15e-6], (len(logged.billed), 1))
    total = (logged.billed[:, :4] * per_token[:, :4]).sum()
    assert block_usd(logged.true, logged.billed, per_token).sum() == pytest.approx(total)
    assert read_usd(logged.true, per_token).sum() == pytest.approx(
        logged.billed[:, :4].sum() * 0.3e-6
    )


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_a_saving_is_as_uncertain_as_the_tokens_it_stands_on(spread: float) -> None:
    kind = np.array([0, 1, 2, 3], np.uint8)
    policy, baseline = np.array([1.0, 1.0, 8.0, 8.0]), np.array([10.0, 10.0, 8.0, 8.0])
    low, high = deviation(kind, (policy, baseline), spread)
    assert low <= 0 <= high
    assert (high - low > 0) == (spread > 0)
    # One factor for all kinds alike would cancel out.
    alone = deviation(np.zeros(4, np.uint8), (policy, baseline), spread)
    assert alone == pytest.approx((0.0, 0.0), abs=1e-12)


def test_nothing_spent_is_nothing_uncertain() -> None:
    nothing = np.zeros(2)
    assert deviation(np.zeros(2, np.uint8), (nothing, nothing), 0.3) == (0.0, 0.0)
