"""Strings become codes: equal ones the same code, others another, whatever stands beside them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.coded import coded

texts = (
    st.text(max_size=40) | st.text("ab\0é", max_size=20) | st.sampled_from(["a" * 600, "b" * 600])
)
columns = st.lists(st.none() | texts, max_size=12)


def codes(values: list[str | None]) -> list[int]:
    return coded(pa.array(values, pa.string())).tolist()


@given(columns)
def test_codes_are_equal_where_strings_are(values: list[str | None]) -> None:
    known = dict(zip(values, codes(values), strict=True))
    assert codes(values) == [known[value] for value in values]
    assert len(set(known.values())) == len(known)
    assert all((code == 0) == (value is None) for value, code in known.items())


@given(columns, columns, columns)
def test_the_neighbours_of_a_string_change_nothing(
    before: list[str | None], values: list[str | None], after: list[str | None]
) -> None:
    whole = pa.array([*before, *values, *after], pa.string())
    some = whole.slice(len(before), len(values))
    assert coded(some).tolist() == codes(values)


def test_one_very_long_string_keeps_no_other_waiting() -> None:
    # Word by word, all of a million strings would be looked at a million times.
    found = coded(pa.array(["x" * 8_000_000, *["short"] * 1_000], pa.string()))
    assert len(np.unique(found)) == 2


def test_ids_that_count_up_all_have_codes_of_their_own() -> None:
    ids = [f"chatcmpl-{number:027d}" for number in range(100_000)]
    assert len(np.unique(coded(pa.array(ids, pa.string())))) == len(ids)
