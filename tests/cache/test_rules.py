"""The written rules one by one, as tables of requests and the tokens they must be billed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.policies import rejections
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.errors import LlmopsError

Build = Callable[..., CallsTable]
Bill = Callable[..., npt.NDArray[np.int64]]
Trace = Callable[..., CacheTrace]
Blocks = list[tuple[Any, ...]]

K = 1000


def chain(count: int, marks: dict[int, str], tokens: int = K, tail: str = "") -> Blocks:
    """Blocks 1..count with markers by 1-based position; ``tail`` renames the last."""
    blocks = [(f"b{number}", tokens, marks.get(number, "")) for number in range(1, count + 1)]
    if tail:
        blocks[-1] = (tail, *blocks[-1][1:])
    return blocks


def test_r1_a_changed_block_ends_the_prefix(log: Build, bill: Bill) -> None:
    first = chain(6, {3: "5m", 6: "5m"})
    changed = [*first[:4], ("other", K), first[5]]
    assert bill(log({"blocks": first}, {"at": 9, "blocks": changed})).tolist() == [
        [0, 0, 6 * K, 0],
        [0, 3 * K, 3 * K, 0],
    ]


def test_r1_the_marker_is_no_part_of_the_prefix(log: Build, bill: Bill) -> None:
    rows = bill(log({"blocks": chain(5, {5: "5m"})}, {"at": 9, "blocks": chain(6, {6: "5m"})}))
    assert rows[1].tolist() == [0, 5 * K, K, 0]


def test_r2_entries_are_written_at_breakpoints_only(log: Build, bill: Bill) -> None:
    rows = bill(
        log(
            {"blocks": chain(10, {10: "5m"})},
            {"at": 9, "blocks": chain(5, {5: "5m"})},
            {"at": 18, "blocks": chain(5, {5: "5m"})},
        )
    )
    assert rows.tolist() == [[0, 0, 10 * K, 0], [0, 0, 5 * K, 0], [0, 5 * K, 0, 0]]


# A1: growing prompts and the window of 20 positions.
@pytest.mark.parametrize(
    ("marks", "expected"),
    [({35: "5m"}, [0, 0, 35 * K, 0]), ({15: "5m", 35: "5m"}, [0, 15 * K, 20 * K, 0])],
    ids=["beyond the window", "an extra breakpoint at 15"],
)
def test_a1_lookback(log: Build, bill: Bill, marks: dict[int, str], expected: list[int]) -> None:
    rows = bill(
        log(
            {"at": 0, "blocks": chain(10, {10: "5m"})},
            {"at": 10, "blocks": chain(15, {15: "5m"})},
            {"at": 20, "blocks": chain(35, marks)},
        )
    )
    assert rows[:2].tolist() == [[0, 0, 10 * K, 0], [0, 10 * K, 5 * K, 0]]
    assert rows[2].tolist() == expected


@pytest.mark.parametrize(("distance", "hits"), [(18, True), (19, True), (20, False), (21, False)])
def test_r4_twenty_positions_count_the_breakpoint_itself(
    log: Build, bill: Bill, distance: int, *, hits: bool
) -> None:
    rows = bill(
        log(
            {"blocks": chain(10, {10: "5m"})},
            {"at": 10, "blocks": chain(10 + distance, {10 + distance: "5m"})},
        )
    )
    assert bool(rows[1, 1]) is hits


def test_r4_an_earlier_breakpoint_opens_its_own_window(log: Build, bill: Bill) -> None:
    rows = bill(
        log(
            {"blocks": chain(8, {8: "5m"})},
            {"at": 10, "blocks": chain(60, {25: "5m", 60: "5m"})},
            {"at": 20, "blocks": chain(60, {60: "5m"}, tail="new")},
        )
    )
    assert rows[1].tolist() == [0, 8 * K, 52 * K, 0]
    assert rows[2].tolist() == [0, 0, 60 * K, 0]


def test_a2_a_varying_last_block_is_written_in_full_each_time(log: Build, bill: Bill) -> None:
    rows = bill(
        log(
            {"blocks": chain(6, {6: "5m"}, tail="first question")},
            {"at": 10, "blocks": chain(6, {6: "5m"}, tail="second question")},
        )
    )
    assert rows.tolist() == [[0, 0, 6 * K, 0], [0, 0, 6 * K, 0]]


# A3: R6 with both lifetimes in one request.
@pytest.mark.parametrize(
    ("earlier", "marks", "expected"),
    [
        (0, {3: "1h", 7: "5m"}, [3 * K, 0, 4 * K, 3 * K]),
        (3, {3: "1h", 7: "5m"}, [3 * K, 3 * K, 4 * K, 0]),
        (3, {5: "1h", 7: "5m"}, [3 * K, 3 * K, 2 * K, 2 * K]),
        (3, {3: "1h", 5: "1h", 7: "5m", 10: "5m"}, [0, 3 * K, 5 * K, 2 * K]),
        (7, {3: "1h", 7: "5m"}, [3 * K, 7 * K, 0, 0]),
        (3, {10: "1h"}, [0, 3 * K, 0, 7 * K]),
        (0, {}, [10 * K, 0, 0, 0]),
    ],
)
def test_a3_r6_splits_the_prompt(
    log: Build, bill: Bill, earlier: int, marks: dict[int, str], expected: list[int]
) -> None:
    first = [{"blocks": chain(earlier, {earlier: "5m"})}] if earlier else []
    rows = bill(log(*first, {"at": 10, "blocks": chain(10, marks)}))
    assert rows[-1].tolist() == expected


@pytest.mark.parametrize(
    ("marker", "pause", "hits"),
    [("5m", 300, True), ("5m", 300.001, False), ("1h", 3600, True), ("1h", 3600.001, False)],
)
def test_r8_lifetime_counts_from_the_start_of_the_writer(
    log: Build, bill: Bill, marker: str, pause: float, *, hits: bool
) -> None:
    blocks = chain(3, {3: marker})
    rows = bill(log({"blocks": blocks, "ttft_s": 60.0}, {"at": pause, "blocks": blocks}))
    assert bool(rows[1, 1]) is hits


def test_r8_a_read_refreshes_the_entry_for_its_own_lifetime(log: Build, bill: Bill) -> None:
    blocks = chain(3, {3: "5m"})
    rows = bill(log(*({"at": at, "blocks": blocks} for at in (0, 299, 598, 897, 1200))))
    assert rows[:, 1].tolist() == [0, 3 * K, 3 * K, 3 * K, 0]


def test_r8_a_5_minute_marker_that_reads_a_1_hour_entry_keeps_the_hour(
    log: Build, bill: Bill
) -> None:
    hour, short = chain(3, {3: "1h"}), chain(3, {3: "5m"})
    rows = bill(log({"blocks": hour}, {"at": 3000, "blocks": short}, {"at": 6500, "blocks": short}))
    assert rows[:, 1].tolist() == [0, 3 * K, 3 * K]


@pytest.mark.parametrize(("refresh", "hits"), [("hit", False), ("marked", True)])
def test_what_a_read_renews_on_its_way_is_a_knob(
    log: Build, bill: Bill, refresh: str, *, hits: bool
) -> None:
    # The second call reads the longer prefix; only the shared one is asked for afterwards.
    both = chain(6, {3: "5m", 6: "5m"})
    calls = log(
        {"blocks": both},
        {"at": 200, "blocks": both},
        {"at": 400, "blocks": chain(4, {3: "5m"}, tail="else")},
    )
    assert bool(bill(calls, refresh=refresh)[2, 1]) is hits


@pytest.mark.parametrize(("second", "reads"), [(0.0, 0), (1.9, 0), (2.0, 3 * K), (2.1, 3 * K)])
def test_r9_an_entry_is_readable_once_the_response_begins(
    log: Build, bill: Bill, second: float, reads: int
) -> None:
    blocks = chain(3, {3: "5m"})
    calls = log({"blocks": blocks, "ttft_s": 2.0}, {"at": second, "blocks": blocks, "ttft_s": 2.0})
    assert bill(calls)[:, 1].tolist() == [0, reads]


def test_r9_parallel_identical_requests_all_write(log: Build, bill: Bill) -> None:
    blocks = chain(3, {3: "5m"})
    rows = bill(log(*({"at": 0.1 * n, "blocks": blocks, "ttft_s": 5.0} for n in range(4))))
    assert rows.tolist() == [[0, 0, 3 * K, 0]] * 4


@pytest.mark.parametrize(
    ("first", "second", "reads"),
    [(2.0, 40.0, 3 * K), (40.0, 2.0, 3 * K), (40.0, 40.0, 0)],
)
def test_r9_of_two_parallel_writers_the_first_to_answer_counts(
    log: Build, bill: Bill, first: float, second: float, reads: int
) -> None:
    blocks = chain(3, {3: "5m"})
    calls = log(
        {"blocks": blocks, "ttft_s": first},
        {"at": 1, "blocks": blocks, "ttft_s": second},
        {"at": 6, "blocks": blocks},
    )
    assert bill(calls)[:, 1].tolist() == [0, 0, reads]


def test_r9_an_expired_entry_lends_its_readability_to_nobody(log: Build, bill: Bill) -> None:
    blocks = chain(3, {3: "5m"})
    calls = log(
        {"blocks": blocks},
        {"at": 400, "blocks": blocks, "ttft_s": 9.0},
        {"at": 401, "blocks": blocks},
    )
    assert bill(calls)[:, 1].tolist() == [0, 0, 0]


def test_r8_a_read_does_not_renew_an_entry_that_is_still_being_written(
    log: Build, bill: Bill
) -> None:
    # At 10 s the hour entry answers only after 100 s; the 5-minute one is written beside it.
    hour, short = chain(3, {3: "1h"}), chain(3, {3: "5m"})
    calls = log(
        {"blocks": hour, "ttft_s": 100.0},
        {"at": 10, "blocks": short},
        {"at": 20, "blocks": short},
        {"at": 3610, "blocks": hour},
    )
    assert bill(calls)[:, 1].tolist() == [0, 0, 3 * K, 0]


@pytest.mark.parametrize(
    ("times", "reads"),
    [
        ({"ttft_s": 3.0, "duration_s": 9.0}, 3 * K),
        ({"ttft_s": None, "duration_s": 3.0}, 3 * K),
        ({"ttft_s": None, "duration_s": 9.0}, 0),
        ({"ttft_s": None, "duration_s": None}, 3 * K),
    ],
    ids=["first token", "whole duration", "long duration", "assumed one second"],
)
def test_r9_without_a_first_token_the_whole_duration_counts(
    log: Build, bill: Bill, times: dict[str, float | None], reads: int
) -> None:
    blocks = chain(3, {3: "5m"})
    assert bill(log({"blocks": blocks, **times}, {"at": 4, "blocks": blocks}))[1, 1] == reads


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        ("claude-opus-5", 512),
        ("claude-fable-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-mythos-5", 512),
        ("claude-opus-5-5", 512),
        ("claude-sonnet-5-5", 512),
        ("claude-haiku-5-5", 512),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-1-20250805", 1024),
        ("claude-opus-4-20250514", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-sonnet-4-6", 1024),
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-sonnet-4-20250514", 1024),
        ("claude-3-7-sonnet-20250219", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-mythos-preview", 2048),
        ("claude-3-5-haiku-20241022", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-5-20251101", 4096),
        ("claude-haiku-4-5-20251001", 4096),
    ],
)
def test_r10_shorter_prompts_are_not_cached(
    log: Build, bill: Bill, model: str, minimum: int
) -> None:
    def twice(tokens: int) -> list[int]:
        blocks = [("all", tokens, "5m")]
        calls = ({"at": at, "blocks": blocks, "request_model": model} for at in (0, 9))
        return bill(log(*calls))[1].tolist()

    assert twice(minimum) == [0, minimum, 0, 0]
    assert twice(minimum - 1) == [minimum - 1, 0, 0, 0]


@pytest.mark.parametrize("model", ["claude-fable-5-2", "claude-opus-6", "claude-2", "gpt-5.6"])
def test_r10_an_unpublished_minimum_is_refused_unless_given(
    log: Build, bill: Bill, model: str
) -> None:
    calls = log({"blocks": [("all", 800, "5m")], "request_model": model})
    with pytest.raises(LlmopsError, match=model) as refusal:
        bill(calls)
    assert refusal.value.slug == "cache-unknown-minimum"
    assert "--minimum-tokens" in refusal.value.hint
    assert bill(calls, minimum_tokens=800).tolist() == [[0, 0, 800, 0]]


def test_r10_a_marker_below_the_minimum_leaves_the_later_one_alone(log: Build, bill: Bill) -> None:
    blocks = [("short", 100, "5m"), ("long", 2000, "5m")]
    assert bill(log({"blocks": blocks}, {"at": 9, "blocks": blocks}))[1].tolist() == [0, 2100, 0, 0]


@pytest.mark.parametrize(
    "changed",
    [{"isolation_domain": "other"}, {"isolation_domain": None}, {"request_model": "claude-opus-5"}],
    ids=["workspace", "no workspace", "model"],
)
def test_r16_nothing_is_shared_across_workspaces_or_models(
    log: Build, bill: Bill, changed: dict[str, str | None]
) -> None:
    blocks = chain(3, {3: "5m"})
    calls = log({"blocks": blocks}, {"at": 9, "blocks": blocks, **changed})
    assert bill(calls)[:, 1].tolist() == [0, 0]


def test_r5_automatic_marks_the_last_cacheable_block(log: Build, bill: Bill) -> None:
    thinking = (("thought", 500, "", BlockKind.THINKING), ("", 0))
    first = [*chain(3, {}), *thinking]
    rows = bill(log({"blocks": first}, {"at": 9, "blocks": first}), "automatic-5m")
    assert rows.tolist() == [[500, 0, 3 * K, 0], [500, 3 * K, 0, 0]]


def test_r5_without_a_cacheable_block_automatic_does_nothing(log: Build, bill: Bill) -> None:
    calls = log({"blocks": [("thought", 5000, "", BlockKind.THINKING)]})
    assert bill(calls, "automatic-1h").tolist() == [[5000, 0, 0, 0]]


@pytest.mark.parametrize(("control", "column"), [(1, 2), (2, 3)])
def test_r5_automatic_in_the_log_writes_for_its_lifetime(
    log: Build, bill: Bill, control: int, column: int
) -> None:
    rows = bill(log({"blocks": chain(3, {}), "automatic_cache": control}))
    assert rows[0, column] == 3 * K


def test_r5_automatic_beside_an_equal_marker_changes_nothing(log: Build, bill: Bill) -> None:
    calls = log({"blocks": chain(3, {3: "5m"}), "automatic_cache": 1})
    assert bill(calls).tolist() == [[0, 0, 3 * K, 0]]


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        ({"blocks": chain(9, dict.fromkeys((1, 3, 5, 7, 9), "5m"))}, "cache-too-many-breakpoints"),
        (
            {"blocks": chain(9, dict.fromkeys((1, 3, 5, 7), "5m")), "automatic_cache": 1},
            "cache-too-many-breakpoints",
        ),
        ({"blocks": chain(3, {1: "5m", 3: "1h"})}, "cache-lifetime-order"),
        ({"blocks": chain(3, {3: "5m"}), "automatic_cache": 2}, "cache-automatic-conflict"),
        (
            {"blocks": [("t", 9, "5m", BlockKind.THINKING), ("b", K)]},
            "cache-marker-on-thinking",
        ),
        ({"blocks": chain(9, dict.fromkeys((1, 3, 5, 9), "5m")), "automatic_cache": 1}, ""),
        ({"blocks": chain(9, {1: "1h", 3: "1h", 5: "5m", 9: "5m"})}, ""),
    ],
)
def test_r3_r5_r7_r11_what_the_api_refuses(
    log: Build, traced: Trace, call: dict[str, Any], slug: str
) -> None:
    trace = traced(log({"blocks": chain(2, {})}, {"at": 1, **call}, {"at": 2, **call}))
    found = rejections(trace, load_rules())
    assert {name for name, mask in found.items() if mask.any()} == ({slug} if slug else set())
    if slug:
        assert found[slug].tolist() == [False, True, True]


def test_a_policy_replaces_the_logged_markers(log: Build, bill: Bill) -> None:
    calls = log(*({"at": at, "blocks": chain(3, {1: "1h", 2: "5m"})} for at in (0, 9)))
    assert bill(calls, "none").tolist() == [[3 * K, 0, 0, 0]] * 2
    assert bill(calls, "automatic-5m").tolist() == [[0, 0, 3 * K, 0], [0, 3 * K, 0, 0]]
    assert bill(calls, "automatic-1h").tolist() == [[0, 0, 0, 3 * K], [0, 3 * K, 0, 0]]


def test_calls_are_replayed_in_order_of_time(log: Build, bill: Bill) -> None:
    early, late = chain(3, {3: "5m"}), chain(4, {4: "5m"})
    assert bill(log({"at": 9, "blocks": late}, {"blocks": early}))[:, 1].tolist() == [0, 3 * K]
