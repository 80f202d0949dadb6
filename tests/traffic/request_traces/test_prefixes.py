"""Block sizes told from hash lists, and hashes made numbers of distinct prefixes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.request_traces.block_size import Usual, fitting
from llmops_cli.traffic.request_traces.prefixes import dense, prefixes
from llmops_cli.traffic.request_traces.staging import words_of

Lists = list[list[int]]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.integers(1, 600), st.booleans())
def test_a_size_that_explains_every_list_is_found(
    lengths: list[int],
    size: int,
    partial: bool,  # noqa: FBT001 - drawn
) -> None:
    length = np.array(lengths)
    counts = -(-length // size) if partial else length // size
    fit = fitting(length, counts, None, Usual(size, partial))
    assert (fit is None) == (not counts.any())
    if fit is not None:
        assert fit.tokens == size
        assert fit.agree.all()


def test_few_rows_that_disagree_do_not_change_the_size() -> None:
    lengths = np.arange(1000, 4000, 7)
    counts = -(-lengths // 128)
    counts[[3, 50]] += 5
    fit = fitting(lengths, counts, None, Usual(512, partial=True))
    assert fit is not None
    assert (fit.tokens, fit.partial) == (128, True)
    assert np.flatnonzero(~fit.agree).tolist() == [3, 50]


@given(st.lists(st.lists(st.integers(-5, 10**12), max_size=6), min_size=1, max_size=8))
def test_dense_numbers_keep_what_is_equal(rows: Lists) -> None:
    ids = np.array([each for row in rows for each in row], np.int64)
    found = dense(ids)
    assert set(found.tolist()) == set(range(len(set(ids.tolist()))))
    assert [a == b for a, b in pairwise(ids.tolist())] == [a == b for a, b in
                                                           pairwise(found.tolist())]  # fmt: skip


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=8))
def test_a_number_stands_for_everything_up_to_its_block(rows: Lists) -> None:
    ids = np.array([each for row in rows for each in row], np.int64)
    starts = np.cumsum([0, *map(len, rows)])
    numbers = prefixes(ids, starts, np.full(len(ids), 16)).blocks
    known: dict[int, tuple[int, ...]] = {}
    for at, row in enumerate(rows):
        for depth in range(len(row)):
            prefix = tuple(row[: depth + 1])
            assert known.setdefault(int(numbers[starts[at] + depth]), prefix) == prefix
    assert len(known) == len({tuple(row[: n + 1]) for row in rows for n in range(len(row))})
    assert set(numbers.tolist()) == set(range(len(known)))


def test_a_hash_for_a_full_and_for_a_short_block_is_two_blocks() -> None:
    found = prefixes(np.array([0, 1, 0, 1]), np.array([0, 2, 4]), np.array([16, 16, 16, 9]))
    assert found.split == 1
    assert found.blocks[0] == found.blocks[2]
    assert found.blocks[1] != found.blocks[3]


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (["00ff"], [255]),
        (["0x00ff"], ["00ff"]),
        ([2**64 - 1], [-1]),
        (["a long name of a block that is no number"],) * 2,
    ],
)
def test_hashes_of_any_spelling(one: list[int | str], same: list[int | str]) -> None:
    assert words_of(one) == words_of(same)


def test_different_texts_are_different_words() -> None:
    words = words_of([f"block {number}" for number in range(1000)])
    assert len(set(words)) == 1000
