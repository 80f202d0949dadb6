"""The load that is replayed: stretches of a trace, faster traces, the warm-up, the refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.checks import check_fits, check_trace, simultaneous
from llmops_cli.serving.load import faster, requests_at, windowed
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.policies import policy_of
from llmops_cli.serving.policy_lines import parse_line
from llmops_cli.serving.warm_up import warm_up_of

Lists = list[list[int]]


def trace_of(rows: Lists, gap_s: float = 1.0) -> RequestTrace:
    """A request per list, every block full, one after the other."""
    flat = np.array([block for row in rows for block in row], np.int64)
    return RequestTrace(
        arrival_s=gap_s * np.arange(len(rows), dtype=np.float64),
        input_tokens=np.array([16 * len(row) for row in rows], np.int64),
        output_tokens=np.full(len(rows), 3, np.int64),
        starts=np.cumsum([0, *map(len, rows)]),
        blocks=np.unique(flat, return_inverse=True)[1].astype(np.int64),
        block_tokens=16,
        session=np.arange(len(rows)) % 3,
        source="trace.jsonl",
        lines=np.arange(1, len(rows) + 1),
    )


rows = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), min_size=2, max_size=12)


@given(rows, st.data())
def test_some_requests_share_among_themselves_what_they_shared_before(
    drawn: Lists, data: st.DataObject
) -> None:
    whole = trace_of(drawn)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(drawn) - 1), min_size=1)))
    part = requests_at(whole, np.array(chosen))
    assert part.arrival_s.tolist() == [row - chosen[0] for row in chosen]
    assert set(part.blocks.tolist()) == set(range(len(set(part.blocks.tolist()))))
    for one, row in enumerate(chosen):
        own = part.blocks[part.starts[one] : part.starts[one + 1]]
        was = whole.blocks[whole.starts[row] : whole.starts[row + 1]]
        assert len(own) == len(was)
        for other, beside in enumerate(chosen):
            them = part.blocks[part.starts[other] : part.starts[other + 1]]
            were = whole.blocks[whole.starts[beside] : whole.starts[beside + 1]]
            assert (own[:, None] == them).tolist() == (was[:, None] == were).tolist()
            same = whole.session[row] == whole.session[beside]
            assert (part.session[one] == part.session[other]) == same


def test_a_window_begins_at_zero_and_ends_before_its_end() -> None:
    part = windowed(trace_of([[n] for n in range(10)]), 2, 5)
    assert part.arrival_s.tolist() == [0, 1, 2]
    assert part.lines is not None
    assert part.lines.tolist() == [3, 4, 5]


@pytest.mark.parametrize("stretch", [(5.0, 5.0), (5.0, 2.0), (-1.0, 2.0), (100.0, 200.0)])
def test_windows_that_hold_nothing(stretch: tuple[float, float]) -> None:
    with pytest.raises(LlmopsError) as caught:
        windowed(trace_of([[0], [1]]), *stretch)
    assert caught.value.slug == "serving-bad-window"


def test_twice_the_rate_is_half_the_time() -> None:
    trace = trace_of([[0], [1], [2]])
    assert faster(trace, 2).arrival_s.tolist() == [0, 0.5, 1]
    assert faster(trace, 1) is trace
    for factor in (0, -1, float("inf"), float("nan")):
        with pytest.raises(LlmopsError, match="cannot come"):
            faster(trace, factor)


def test_the_warm_up_ends_when_the_caches_could_be_full() -> None:
    trace = trace_of([[n] for n in range(1000)])
    cut = warm_up_of(trace, 30, None)
    assert cut.seconds == 29
    assert cut.counted.tolist() == [row >= 29 for row in range(1000)]
    assert "as the caches hold" in cut.rule


@pytest.mark.parametrize("capacity", [200, 10**6])
def test_the_warm_up_takes_at_most_a_tenth(capacity: int) -> None:
    cut = warm_up_of(trace_of([[n] for n in range(1000)]), capacity, None)
    assert cut.seconds == pytest.approx(99.9)
    assert int(cut.counted.sum()) == 900


def test_a_warm_up_that_leaves_too_little_is_refused() -> None:
    trace = trace_of([[n] for n in range(12)])
    with pytest.raises(LlmopsError) as caught:
        warm_up_of(trace, 10**6, 5)
    assert (caught.value.slug, caught.value.exit_code) == ("serving-long-warm-up", 2)
    assert not warm_up_of(trace, 10**6, 1).counted.all()
    assert warm_up_of(trace, 10**6, 0).counted.all()
    assert warm_up_of(trace_of([[1], [2]]), 10**6, 0).counted.all()


def test_a_trace_without_blocks_warms_up_for_a_tenth() -> None:
    trace = replace(
        trace_of([[n] for n in range(100)]),
        starts=np.zeros(101, np.int64),
        blocks=np.zeros(0, np.int64),
        block_tokens=0,
    )
    assert warm_up_of(trace, 10, None).seconds == pytest.approx(9.9)


GOOD = trace_of([[0, 1], [0, 2], [3]])


@pytest.mark.parametrize(
    ("trace", "slug", "words"),
    [
        (trace_of([[0]]), "trace-one-request", "has 1 request:"),
        (trace_of([]), "trace-one-request", "has 0 requests:"),
        (trace_of([[0], [1]], 0.0), "trace-no-span", "all 2 requests arrive"),
        (
            replace(GOOD, arrival_s=np.array([0, 2.0, 1.0])),
            "trace-unsorted",
            "does not come after",
        ),
        (
            replace(GOOD, arrival_s=np.array([0, np.nan, 1.0])),
            "trace-unsorted",
            "does not come after",
        ),
        (replace(GOOD, output_tokens=np.array([3, 0, 3])), "trace-no-output", "is 0"),
        (replace(GOOD, input_tokens=np.array([32, 0, 16])), "trace-no-input", "is 0"),
        (
            replace(GOOD, input_tokens=np.array([32, 50, 16])),
            "trace-hash-length",
            "2 blocks where 50 tokens in blocks of 16 have 4",
        ),
    ],
)
def test_traces_that_are_refused(trace: RequestTrace, slug: str, words: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        check_trace(trace)
    assert caught.value.slug == slug
    assert words in caught.value.message
    assert caught.value.file == "trace.jsonl"


def test_bursts_are_no_error_and_are_counted() -> None:
    trace = replace(GOOD, arrival_s=np.array([0, 0.0005, 1.0]))
    check_trace(trace)
    assert simultaneous(trace) == 1


def test_a_request_longer_than_memory_is_placed() -> None:
    machines = Machines(model=model_named("llama-3.1-8b"), gpu=gpu_named("h100"))
    trace = replace(GOOD, output_tokens=np.array([3, 30, 3]))
    fits = policy_of(parse_line("name=large blocks=4"), machines, 16)
    check_fits(trace, [fits])
    short = policy_of(parse_line("name=small blocks=3"), machines, 16)
    with pytest.raises(LlmopsError) as caught:
        check_fits(trace, [fits, short])
    assert (caught.value.slug, caught.value.line) == ("serving-too-long", 2)
    assert "3 KV blocks of 16 tokens that a replica of 'small' has" in caught.value.message
