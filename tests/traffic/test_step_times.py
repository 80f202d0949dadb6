"""Measured steps from a CSV: what is read, and what is refused by line and field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.step_times import COLUMNS, read_step_times

HEAD = "batch,tokens,context,ms"
ROWS = st.lists(
    st.tuples(
        st.integers(1, 65_536), st.integers(1, 10_000), st.integers(0, 10**6), st.floats(0.001, 1e6)
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS, st.permutations([*COLUMNS, "note"]))
def test_steps_are_read_whatever_the_order_of_columns(
    rows: list[tuple[float, ...]], order: list[str]
) -> None:
    named = [{**dict(zip(COLUMNS, row, strict=True)), "note": "x"} for row in rows]
    lines = [",".join(order), *(",".join(str(row[name]) for name in order) for row in named)]
    found = read_step_times(lines, source="steps.csv")
    assert len(found) == len(rows)
    batch, tokens, context, ms = np.array(rows, np.float64).T
    assert (found.batch == batch).all()
    assert (found.tokens == tokens).all()
    assert (found.context == context).all()
    assert found.seconds == pytest.approx(ms / 1000)
    assert found.source == "steps.csv"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("0,1,100,8", "batch"),
        ("65537,1,100,8", "batch"),
        ("nan,1,100,8", "batch"),
        ("1,0,100,8", "tokens"),
        ("1,1,-1,8", "context"),
        ("1,1,1e12,8", "context"),
        ("1,1,100,0", "ms"),
        ("1,1,100,1e-300", "ms"),
        ("1,1,100,1e300", "ms"),
        ("1,1,100,inf", "ms"),
        ("1,1,100,fast", "ms"),
        ("1,1,100", "ms"),
        ("1,,100,8", "tokens"),
        ("1,1,1,024,8", ""),
    ],
)
def test_a_step_that_cannot_be_is_refused_by_line_and_field(row: str, field: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        read_step_times([HEAD, "1,1,100,8", row], source="steps.csv")
    found = refused.value
    assert (found.slug, found.file, found.line, found.field) == (
        "steps-bad-row", "steps.csv", 3, field,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "slug", "told"),
    [
        ([], "steps-no-header", "batch, tokens, context, ms"),
        (["batch,context,ms"], "steps-no-header", "lacks tokens"),
        ([HEAD], "steps-none", "no measured step"),
    ],
)
def test_a_table_without_steps_is_refused(lines: list[str], slug: str, told: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        read_step_times(lines, source="steps.csv")
    assert (refused.value.slug, told in refused.value.message) == (slug, True)
