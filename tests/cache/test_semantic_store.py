"""The store: a hit is on the nearest entry that is there, answered, and alive."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.cache.semantic_similarity import Near
from llmops_cli.cache.semantic_store import Stream, ceiling, served

Similar = dict[tuple[int, int], float]
KEYS = 6

times = st.lists(
    st.tuples(st.integers(0, KEYS - 1), st.integers(0, 3), st.integers(0, 4)), max_size=40
)
similarities = st.dictionaries(
    st.tuples(st.integers(0, KEYS - 1), st.integers(0, KEYS - 1)).filter(lambda p: p[0] < p[1]),
    st.sampled_from([0.6, 0.7, 0.8, 0.9]),
)
lifetimes = st.none() | st.integers(1, 12)


def stream(calls: Sequence[tuple[int, int, int]], ttl: int | None = None) -> Stream:
    """Calls as (key, time since the call before, time until its answer)."""
    start = np.cumsum([gap for _, gap, _ in calls], dtype=np.int64)
    lasted = np.array([after for *_, after in calls], dtype=np.int64)
    keys = np.array([key for key, *_ in calls], dtype=np.int64)
    return Stream(keys, start, start + lasted, ttl)


def table(similar: Similar, keys: int = KEYS) -> Near:
    both = similar | {(other, one): value for (one, other), value in similar.items()}
    rows = [
        sorted((-value, other) for (one, other), value in both.items() if one == key)
        for key in range(keys)
    ]
    offsets = np.cumsum([0, *map(len, rows)])
    flat = [pair for row in rows for pair in row]
    return Near(
        offsets,
        np.array([other for _, other in flat], dtype=np.int64),
        np.array([-value for value, _ in flat], dtype=np.float64),
        0.6,
    )


def slowly(calls: Stream, similar: Similar, threshold: float) -> list[int]:
    """The rules word for word: look at every entry, take the nearest, insert on a miss."""
    both = similar | {(other, one): value for (one, other), value in similar.items()}
    entry: dict[int, int] = {}
    found = list[int]()
    for call, key in enumerate(calls.key.tolist()):
        now = int(calls.start_us[call])

        def until(other: int) -> float:
            return float("inf") if calls.ttl_us is None else calls.answered_us[other] + calls.ttl_us

        def rank(stored: int, key: int = key) -> tuple[float, int]:
            return (-1.0 if stored == key else -both[key, stored], stored)

        matches = [
            stored
            for stored, by in entry.items()
            if (stored == key or both.get((key, stored), 0) >= threshold)
            and calls.answered_us[by] < now <= until(by)
        ]
        if matches:
            found.append(entry[min(matches, key=rank)])
            continue
        found.append(-1)
        if key not in entry or until(entry[key]) < now:
            entry[key] = call
    return found


@given(times, similarities, lifetimes, st.sampled_from([0.6, 0.75, 0.9]))
def test_the_replay_does_what_the_rules_say(
    calls: list[tuple[int, int, int]], similar: Similar, ttl: int | None, threshold: float
) -> None:
    given_calls = stream(calls, ttl)
    fast = served(given_calls, table(similar), threshold).tolist()
    assert fast == slowly(given_calls, similar, threshold)


@given(times, similarities, lifetimes)
def test_nobody_is_served_an_answer_that_is_not_there_yet_or_no_more(
    calls: list[tuple[int, int, int]], similar: Similar, ttl: int | None
) -> None:
    given_calls = stream(calls, ttl)
    hits = served(given_calls, table(similar), 0.6)
    for call in np.flatnonzero(hits >= 0).tolist():
        answered = given_calls.answered_us[hits[call]]
        assert answered < given_calls.start_us[call]
        assert ttl is None or given_calls.start_us[call] <= answered + ttl
        assert hits[hits[call]] == -1, "an answer from the cache is not an entry"


@given(times, similarities, lifetimes)
def test_a_store_of_everything_hits_what_any_store_hits_and_more_at_lower_thresholds(
    calls: list[tuple[int, int, int]], similar: Similar, ttl: int | None
) -> None:
    given_calls, near = stream(calls, ttl), table(similar)
    last = ceiling(given_calls)
    assert (last | ~(served(given_calls) >= 0)).all()
    for threshold in (0.9, 0.8, 0.7, 0.6):
        every = ceiling(given_calls, near, threshold)
        assert (every | ~last).all()
        assert (every | ~(served(given_calls, near, threshold) >= 0)).all()
        last = every


@given(times, similarities)
def test_repeats_hit_at_every_threshold_where_nothing_expires_or_waits(
    calls: list[tuple[int, int, int]], similar: Similar
) -> None:
    one_by_one = stream([(key, 1, 0) for key, *_ in calls])
    repeats = served(one_by_one) >= 0
    near = served(one_by_one, table(similar), 0.7) >= 0
    assert (near | ~repeats).all()


@given(times, lifetimes)
def test_a_threshold_that_nothing_reaches_is_repeats_alone(
    calls: list[tuple[int, int, int]], ttl: int | None
) -> None:
    given_calls = stream(calls, ttl)
    assert np.array_equal(served(given_calls, table({}), 0.6), served(given_calls))


CASES: list[tuple[str, list[tuple[int, int, int]], int | None, list[int]]] = [
    ("the first of all is a miss", [(0, 0, 0)], None, [-1]),
    ("the same moment is too early", [(0, 0, 0), (0, 0, 0)], None, [-1, -1]),
    ("so is the time until the answer", [(0, 0, 5), (0, 5, 0), (0, 1, 0)], None, [-1, -1, 0]),
    ("the lifetime begins with the answer", [(0, 0, 5), (0, 15, 0)], 10, [-1, 0]),
    ("and ends", [(0, 0, 5), (0, 16, 0), (0, 1, 0)], 10, [-1, -1, 1]),
    ("a hit does not renew it", [(0, 0, 0), (0, 9, 0), (0, 9, 0)], 10, [-1, 0, -1]),
    (
        "of two that run at once the first stays",
        [(0, 0, 3), (0, 1, 9), (0, 3, 0), (0, 9, 0)],
        None,
        [-1, -1, 0, 0],
    ),
    ("nothing in, nothing out", [], None, []),
]


@pytest.mark.parametrize(
    ("name", "calls", "ttl", "expected"), CASES, ids=[name for name, *_ in CASES]
)
def test_an_entry_lives_from_its_answer_to_its_end(
    name: str, calls: list[tuple[int, int, int]], ttl: int | None, expected: list[int]
) -> None:
    assert served(stream(calls, ttl)).tolist() == expected, name


def test_a_hit_inserts_nothing_so_a_lower_threshold_can_hit_less() -> None:
    """Why every rule is replayed on its own, and why no order of hit rates is promised."""
    near = table({(0, 1): 0.8, (1, 2): 0.9, (1, 3): 0.9, (1, 4): 0.9})
    calls = stream([(key, 1, 0) for key in range(5)])
    assert served(calls, near, 0.85).tolist() == [-1, -1, 1, 1, 1]
    assert served(calls, near, 0.75).tolist() == [-1, 0, -1, -1, -1]
    assert ceiling(calls, near, 0.75).sum() == 4


def test_an_expired_neighbour_leaves_the_hit_to_the_next_nearest() -> None:
    near = table({(0, 2): 0.9, (1, 2): 0.7})
    calls = stream([(0, 0, 0), (1, 5, 0), (2, 8, 0)], ttl=10)
    assert served(calls, near, 0.6).tolist() == [-1, -1, 1]
