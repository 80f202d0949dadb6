"""A key is a function of the string alone: rows of different tables must meet."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.keys import codes

words = st.none() | st.text(max_size=40) | st.text("0123456789abcdef", min_size=16, max_size=16)


def coded(given_words: list[str | None]) -> list[int]:
    return codes(pa.chunked_array([pa.array(given_words, pa.string())])).tolist()


@given(st.lists(words, max_size=12), st.lists(words, max_size=12))
def test_the_same_string_has_the_same_code_whatever_stands_beside_it(
    one: list[str | None], other: list[str | None]
) -> None:
    together = coded([*one, *other])
    assert together == coded(one) + coded(other)
    alone = {word: coded([word])[0] for word in {*one, *other}}
    assert together == [alone[word] for word in [*one, *other]]


@given(st.lists(words, min_size=1, max_size=12))
def test_only_an_absent_string_has_no_code(given_words: list[str | None]) -> None:
    found = np.array(coded(given_words), np.uint64)
    assert (found == 0).tolist() == [word is None for word in given_words]
    assert len(set(found.tolist())) == len(set(given_words))


def test_a_slice_of_a_column_has_the_codes_of_its_words() -> None:
    ids = [f"{number:016x}" for number in range(6)]
    column = pa.chunked_array([pa.array(ids)])
    assert codes(column.slice(2, 3)).tolist() == coded(ids[2:5])
