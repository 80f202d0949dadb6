"""How decoding divides over batch sizes: counted from spans, read from tables, refused by place."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.capacity import MOST_SEQUENCES
from llmops_cli.speculation.load import (
    load_of_batches,
    load_of_rows,
    load_of_spans,
    load_of_text,
)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1])),
        min_size=1,
        max_size=12,
    )
)
def test_spans_give_the_time_at_every_number_that_ran(spans: list[tuple[int, int]]) -> None:
    time = defaultdict[int, float](float)
    for one, two in pairwise(sorted({edge for span in spans for edge in span})):
        running = sum(began <= one and two <= ended for began, ended in spans)
        time[running] += two - one
    time.pop(0, None)
    found = load_of_spans(np.array(spans, np.float64), "log")
    assert found.batches == tuple(sorted(time))
    whole = sum(time.values())
    assert found.shares == pytest.approx([time[size] / whole for size in found.batches])


def test_requests_without_both_times_are_left_out() -> None:
    spans = np.array([[0.0, 4.0], [1.0, np.nan], [np.nan, 3.0], [2.0, 2.0]])
    assert load_of_spans(spans, "log").batches == (1,)
    assert load_of_spans(spans[1:], "log") is None


def test_more_at_once_than_an_engine_decodes_is_no_load_of_one() -> None:
    many = np.tile([0.0, 1.0], (MOST_SEQUENCES + 1, 1))
    with pytest.raises(LlmopsError) as refused:
        load_of_spans(many, "the whole fleet")
    assert refused.value.slug == "load-bad-batch"
    assert "65,537 requests at once" in refused.value.message
    assert load_of_spans(many[1:], "all of one").batches == (MOST_SEQUENCES,)


def test_batches_of_a_log_are_weighted_and_rounded() -> None:
    batch, weight = np.array([2.4, 2.0, 8.0, np.nan, 16.0]), np.array([1.0, 2.0, 3.0, 9.0, 0.0])
    found = load_of_batches(batch, weight, "log")
    assert found.batches == (2, 8)
    assert found.shares == pytest.approx((0.5, 0.5))
    assert load_of_batches(batch[3:], weight[3:], "log") is None


@given(
    st.dictionaries(st.integers(1, MOST_SEQUENCES), st.floats(1e-6, 1e6), min_size=1, max_size=8)
)
def test_a_text_and_a_table_are_the_same_load(shares: dict[int, float]) -> None:
    text = ",".join(f"{batch}:{share!r}" for batch, share in shares.items())
    lines = ["batch,share,note", *(f"{batch},{share!r},x" for batch, share in shares.items())]
    one, two = load_of_text(text), load_of_rows(lines, source="load.csv")
    assert (one.batches, one.shares) == (two.batches, two.shares)
    assert one.batches == tuple(sorted(shares))
    assert sum(one.shares) == pytest.approx(1)


def test_a_batch_that_comes_twice_is_added_up() -> None:
    assert load_of_text("4:1,8:2,4:1").shares == (0.5, 0.5)


BAD = [
    ("0:1", "load-bad-batch"),
    ("-4:1", "load-bad-batch"),
    ("1.5:1", "load-bad-batch"),
    ("nan:1", "load-bad-batch"),
    ("65537:1", "load-bad-batch"),
    ("1:-1", "load-bad-share"),
    ("1:nan", "load-bad-share"),
    ("1:inf", "load-bad-share"),
    ("1:1e308,2:1e308", "load-bad-share"),
    ("1:0", "load-bad-share"),
]


@pytest.mark.parametrize(("text", "slug"), BAD)
def test_a_load_that_cannot_be_is_a_usage_error(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        load_of_text(text)
    assert (refused.value.slug, refused.value.exit_code) == (slug, ExitCode.USAGE)


@pytest.mark.parametrize(("text", "slug"), BAD)
def test_in_a_table_it_is_bad_input_of_that_file(text: str, slug: str) -> None:
    lines = ["batch,share", *(part.replace(":", ",") for part in text.split(","))]
    with pytest.raises(LlmopsError) as refused:
        load_of_rows(lines, source="load.csv")
    assert (refused.value.slug, refused.value.exit_code) == (slug, ExitCode.BAD_INPUT)
    assert refused.value.file == "load.csv"


def test_a_comma_inside_a_number_is_refused_by_its_line() -> None:
    with pytest.raises(LlmopsError) as refused:
        load_of_rows(["batch,share", "1,1", "1,024,5"], source="load.csv")
    assert (refused.value.slug, refused.value.line) == ("load-bad-row", 3)


def test_a_table_without_rows_is_bad_input_of_that_file() -> None:
    with pytest.raises(LlmopsError) as refused:
        load_of_rows(["batch,share"], source="load.csv")
    assert (refused.value.file, refused.value.exit_code) == ("load.csv", ExitCode.BAD_INPUT)
