"""Planted faults: each is found first, under its name."""

from collections.abc import Callable
from typing import Any

import pytest

from llmops_cli.cache import CacheParameters, cache_estimate
from llmops_cli.cache.estimate import estimate_calls
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.prices import PriceBook

Build = Callable[..., CallsTable]
Calls = list[dict[str, Any]]

TOOLS = ("tools", 3000, "", BlockKind.TOOL)
SYSTEM = ("system", 3000, "", BlockKind.SYSTEM)


def question(number: int) -> tuple[str, int]:
    return (f"question {number}", 400)


def timestamp_in_the_system_prompt() -> Calls:
    return [
        {"at": 60 * n, "blocks": [TOOLS, (f"it is {n}", 3000, "", BlockKind.SYSTEM), question(0)]}
        for n in range(6)
    ]


def tools_in_another_order() -> Calls:
    tools = [("one", 1500, "", BlockKind.TOOL), ("two", 1500, "", BlockKind.TOOL)]
    order = [tools, tools[::-1]]
    return [
        {"at": 60 * n, "blocks": [(f"v{n}", 9, "", BlockKind.TOOL), *order[n % 2], SYSTEM]}
        for n in range(6)
    ]


def a_cron_every_seven_minutes() -> Calls:
    return [{"at": 420 * n, "blocks": [TOOLS, SYSTEM]} for n in range(6)]


def ten_tokens_under_the_minimum() -> Calls:
    return [{"at": 60 * n, "blocks": [("prompt", 1014)]} for n in range(6)]


def parallel_calls() -> Calls:
    return [{"at": 0.1 * n, "blocks": [TOOLS, SYSTEM], "ttft_s": 20.0} for n in range(6)]


def a_shared_prefix_without_a_marker() -> Calls:
    return [
        {"at": 60 * n, "blocks": [TOOLS, SYSTEM, question(n)], "conversation_id": str(n)}
        for n in range(6)
    ]


def an_edited_history() -> Calls:
    turns = [(f"turn {n}", 2000) for n in range(6)]
    return [
        {"at": 60 * n, "blocks": [("intro", 200), (f"edit {n}", 500), *turns[: n + 1]]}
        for n in range(6)
    ]


def two_models_in_turn() -> Calls:
    models = ["claude-sonnet-4-5", "claude-sonnet-4-6"]
    turns = [(f"turn {n}", 2000) for n in range(6)]
    return [
        {"at": 60 * n, "blocks": [TOOLS, *turns[:n]], "request_model": models[n // 3]}
        for n in range(2, 5)
    ]


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (timestamp_in_the_system_prompt, "system_changed"),
        (tools_in_another_order, "tools_changed"),
        (a_cron_every_seven_minutes, "expired"),
        (ten_tokens_under_the_minimum, "minimum"),
        (parallel_calls, "visibility"),
        (a_shared_prefix_without_a_marker, "marker"),
        (an_edited_history, "messages_changed"),
        (two_models_in_turn, "model_changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_planted_fault_is_the_first_leak(
    log: Build, plant: Callable[[], Calls], reason: str
) -> None:
    figures = estimate_calls(log(*plant()), CacheParameters(policy="automatic-5m"), PriceBook())
    assert figures.leaks[0].reason == reason
    assert figures.leaks[0].usd > 0


def test_a_change_at_ever_other_places_is_shown_by_an_example(log: Build) -> None:
    # Each turn rewrites another message of the past.
    turns = [(f"turn {n}", 2000) for n in range(8)]
    edited = [[*turns[:n], (f"turn {n} edited", 2000), *turns[n + 1 :]] for n in range(2, 7)]
    calls = log(*({"at": 60 * n, "blocks": [SYSTEM, *b]} for n, b in enumerate([turns, *edited])))
    (leak, *_) = estimate_calls(calls, CacheParameters(policy="automatic-5m"), PriceBook()).leaks
    assert (leak.reason, leak.usual, leak.kind) == ("messages_changed", False, "user")
    report = cache_estimate(calls, CacheParameters(policy="automatic-5m"))
    where = next(table for table in report.tables if table.name == "leaks").rows[0][4]
    assert where == f"e.g. block {leak.block + 1}, user"


def test_a_clean_conversation_leaks_nothing(log: Build) -> None:
    turns = [(f"turn {n}", 2000) for n in range(8)]
    calls = log(*({"at": 60 * n, "blocks": [SYSTEM, *turns[: n + 1]]} for n in range(8)))
    assert estimate_calls(calls, CacheParameters(policy="automatic-5m"), PriceBook()).leaks == ()


def test_the_cron_is_mended_by_the_change_the_report_names(log: Build) -> None:
    calls = log(*a_cron_every_seven_minutes())
    report = cache_estimate(calls, CacheParameters(policy="automatic-5m"))
    leak = next(table for table in report.tables if table.name == "leaks").rows[0]
    assert leak[0] == "paused beyond the lifetime (R8)"
    assert leak[-1] == "use 1-hour entries"
    hour = estimate_calls(calls, CacheParameters(policy="automatic-1h"), PriceBook())
    assert hour.leaks == ()
    assert hour.outcomes["automatic-1h"].input_usd < hour.outcomes["automatic-5m"].input_usd


def test_repeated_tokens_are_read_or_have_exactly_one_reason(log: Build) -> None:
    calls = log(*a_shared_prefix_without_a_marker(), *a_cron_every_seven_minutes())
    figures = estimate_calls(calls, CacheParameters(policy="automatic-5m"), PriceBook())
    read = int(figures.outcomes["automatic-5m"].tokens[:, 1].sum())
    seen = 11 * 6000  # every call but the very first repeats tools and system
    lost = sum(leak.tokens for leak in figures.leaks if not leak.reason.endswith("changed"))
    assert read + lost == seen
