"""Compiling a log: nodes, depths, scopes, conversations and times."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llmops_cli.cache.columns import microseconds, numbers
from llmops_cli.cache.trace import CacheTrace, first_true
from llmops_cli.calls import CallsTable

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]


def test_the_same_prefix_is_the_same_node_and_nothing_else_is(log: Build, traced: Trace) -> None:
    trace = traced(
        log(
            {"blocks": [("a", 10), ("b", 20)]},
            {"at": 1, "blocks": [("a", 10), ("c", 30), ("b", 20)]},
            {"at": 2, "blocks": [("b", 20)]},
        )
    )
    a, ab, also_a, ac, acb, b = trace.node.tolist()
    assert a == also_a
    assert len({a, ab, ac, acb, b}) == 5
    assert trace.depth_tokens.tolist() == [10, 30, 10, 40, 60, 20]
    assert trace.block_tokens.tolist() == [10, 20, 10, 30, 20, 20]
    assert trace.prompt_tokens.tolist() == [30, 60, 20]
    assert trace.call.tolist() == [0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("field", "other"), [("isolation_domain", "w2"), ("request_model", "claude-opus-5")]
)
def test_workspace_and_model_tell_nodes_apart(
    log: Build, traced: Trace, field: str, other: str
) -> None:
    trace = traced(log({"blocks": [("a", 10)]}, {"at": 1, "blocks": [("a", 10)], field: other}))
    assert trace.node[0] != trace.node[1]
    assert trace.shard.tolist() == trace.node.tolist()


def test_hashes_that_share_half_their_bits_are_told_apart(log: Build, traced: Trace) -> None:
    calls = log(
        {"blocks": [("a", 10)]}, {"at": 1, "blocks": [("a", 10)]}, {"at": 2, "blocks": [("a", 10)]}
    )
    half = b"12345678"
    hashes = [[half + b"AAAAAAAA"], [half + b"BBBBBBBB"], [half + b"AAAAAAAA"]]
    calls["block_hashes"] = pd.Series(hashes, dtype=calls["block_hashes"].dtype)
    first, second, third = traced(calls).node.tolist()
    assert first == third
    assert first != second


def test_a_log_is_put_in_order_of_time_and_ties_stay_as_logged(log: Build, traced: Trace) -> None:
    calls = log(*({"at": at, "blocks": [("a", 10)]} for at in (5, 1, 5, 0)))
    assert traced(calls).row.tolist() == [3, 1, 0, 2]


def test_the_minimum_is_that_of_each_calls_model(log: Build, traced: Trace) -> None:
    models = ["claude-opus-5", "claude-haiku-4-5", "claude-opus-5"]
    calls = log(
        *({"at": i, "blocks": [("a", 10)], "request_model": m} for i, m in enumerate(models))
    )
    assert traced(calls).minimum.tolist() == [512, 4096, 512]
    assert traced(calls, minimum_tokens=7).minimum.tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["x", "y", "x"], [0, 1, 0]), ([None, None, None], [0, 0, 1]), ([None, "x", None], [0, 1, 2])],
)
def test_without_an_id_the_opening_names_the_conversation(
    log: Build, traced: Trace, names: list[str | None], expected: list[int]
) -> None:
    prompts = [[("hello", 5)], [("hello", 5), ("more", 5)], [("other", 5)]]
    calls = log(
        *(
            {"at": i, "blocks": blocks, "conversation_id": name}
            for i, (blocks, name) in enumerate(zip(prompts, names, strict=True))
        )
    )
    assert traced(calls).conversation.tolist() == expected


def test_times_are_microseconds_and_waits_come_from_the_log(log: Build, traced: Trace) -> None:
    calls = log(
        {"blocks": [("a", 1)], "ttft_s": 0.25}, {"at": 1.5, "blocks": [("a", 1)], "ttft_s": None}
    )
    trace = traced(calls, visible_after_s=3.0)
    assert np.diff(trace.start_us).tolist() == [1_500_000]
    assert (trace.begins_us - trace.start_us).tolist() == [250_000, 3_000_000]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [([0, 1, 1, 0, 1, 0], [1, 4, -1]), ([0] * 6, [-1, -1, -1]), ([1] * 6, [0, 3, 5])],
)
def test_first_true_of_each_call(mask: list[int], expected: list[int]) -> None:
    found = first_true(np.array(mask, dtype=bool), np.array([0, 3, 5, 6]))
    assert found.tolist() == expected


def test_nulls_are_named(log: Build) -> None:
    calls: Any = log({"blocks": [("a", 1)], "start_time": None, "ttft_s": None})
    assert microseconds(calls, "start_time").tolist() == [np.iinfo(np.int64).min]
    assert numbers(calls, "ttft_s", -1.0).tolist() == [-1.0]
