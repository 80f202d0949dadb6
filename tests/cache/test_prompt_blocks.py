"""Prompts in small numbers: the same distinctions as the hashes, however the log is cut."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache import CacheParameters, PromptCollector, cache_estimate
from llmops_cli.cache.prefix_numbers import by_first_appearance
from llmops_cli.cache.prompt_blocks import PromptBlocks
from llmops_cli.calls import arrow_schema, from_arrow
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Reading
from llmops_cli.traffic.narrow import narrowed

# Two halves of few values each: many hashes share one half and not the other.
HASHES = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")).map(
    lambda halves: b"".join(half.encode() * 8 for half in halves)
)
PROMPTS = st.lists(st.lists(HASHES, max_size=4), min_size=1, max_size=12)


def log(prompts: list[list[bytes]]) -> pa.Table:
    columns = {
        "block_hashes": prompts,
        "block_tokens": [[7 + at for at in range(len(each))] for each in prompts],
        "block_kinds": [[2] * len(each) for each in prompts],
        "block_markers": [[at % 3 for at in range(len(each))] for each in prompts],
        "source_file": ["log"] * len(prompts),
        "source_line": list(range(1, len(prompts) + 1)),
    }
    schema = arrow_schema()
    empty = pa.nulls(len(prompts))
    return pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else empty.cast(f.type)
         for f in schema],
        schema=schema,
    )  # fmt: skip


def numbered(values: list[bytes]) -> list[int]:
    """By first appearance, one value after the other."""
    known = dict[bytes, int]()
    return [known.setdefault(value, len(known)) for value in values]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(PROMPTS, st.integers(1, 12))
def test_prefixes_are_told_apart_by_all_bits_however_the_tables_are_cut(
    prompts: list[list[bytes]], rows: int
) -> None:
    table, collector = log(prompts), PromptCollector()
    for begin in range(0, len(prompts), rows):
        left = collector.take(table.slice(begin, rows))
        assert not {name for name in left.schema.names if name.startswith("block_")}
    cut, whole = collector.finish(), PromptBlocks.of(from_arrow(table))
    flat = [each for prompt in prompts for each in prompt]
    for found in (cut, whole):
        assert found.prefix.tolist() == numbered(flat)
        assert np.diff(found.offsets).tolist() == [len(prompt) for prompt in prompts]
        assert found.tokens.tolist() == [7 + at for each in prompts for at in range(len(each))]
        assert found.markers.tolist() == [at % 3 for each in prompts for at in range(len(each))]


@settings(max_examples=20, deadline=None)
@given(PROMPTS, st.data())
def test_hashes_that_come_as_codes_are_told_apart_as_those_that_do_not(
    prompts: list[list[bytes]], data: st.DataObject
) -> None:
    table = log(prompts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(prompts)), max_size=3)))
    cuts = [0, *cuts, len(prompts)]
    plain, coded, cut_later = PromptCollector(), PromptCollector(), PromptCollector()
    whole = narrowed(table, table.schema.names)
    for begin, end in pairwise(cuts):
        part = table.slice(begin, end - begin)
        plain.take(part)
        coded.take(narrowed(part, part.schema.names))
        # Codes of a longer table: some are not in this one, and they do not come in order.
        cut_later.take(whole.slice(begin, end - begin))
    expected = plain.finish()
    for found in (coded.finish(), cut_later.finish(), PromptBlocks.of(from_arrow(whole))):
        assert found.prefix.tolist() == expected.prefix.tolist()
        assert found.offsets.tolist() == expected.offsets.tolist()
        assert found.kinds.tolist() == expected.kinds.tolist()


@pytest.mark.parametrize("longest", [0, 255, 256, 65_536, 2**31 - 1])
def test_tokens_stay_what_they_are_in_few_bytes(longest: int) -> None:
    table, collector = log([[b"a" * 16] * 2, [b"b" * 16]]), PromptCollector()
    at = table.schema.get_field_index("block_tokens")
    tokens = pa.array([[1, longest], [3]], table.schema.field(at).type)
    table = table.set_column(at, "block_tokens", tokens)
    collector.take(table.slice(0, 1))
    collector.take(table.slice(1))
    assert collector.finish().tokens.tolist() == [1, longest, 3]


@settings(max_examples=100, deadline=None)
@given(PROMPTS, st.data())
def test_some_rows_in_another_order_are_numbered_anew(
    prompts: list[list[bytes]], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(prompts) - 1), unique=True))
    found = PromptBlocks.of(from_arrow(log(prompts))).of_rows(np.array(rows, np.int64))
    assert found.prefix.tolist() == numbered([each for row in rows for each in prompts[row]])
    assert np.diff(found.offsets).tolist() == [len(prompts[row]) for row in rows]


@given(st.lists(st.integers(0, 30)))
def test_numbers_by_first_appearance_are_those_of_pandas(values: list[int]) -> None:
    codes = np.array(values, np.int64)
    found, new = by_first_appearance(codes)
    expected, names = pd.factorize(codes)
    assert found.tolist() == expected.tolist()
    assert codes[new].tolist() == names.tolist()


def test_a_contradiction_is_told_by_its_row_in_the_whole_log() -> None:
    table = log([[b"a" * 16], [b"b" * 16], [b"c" * 16]])
    at = table.schema.get_field_index("block_kinds")
    kinds = pa.array([[2], [2], [2, 2]], table.schema.field(at).type)
    bad, collector = table.set_column(at, "block_kinds", kinds), PromptCollector()
    collector.take(bad.slice(0, 2))
    with pytest.raises(LlmopsError) as caught:
        collector.take(bad.slice(2))
    assert (caught.value.slug, caught.value.line) == ("calls-contradiction", 3)


def test_a_compact_log_gives_the_report_of_the_whole_table(agent: pa.Table) -> None:
    collector, given_ = PromptCollector(), CacheParameters(providers=("all",))
    left = pa.concat_tables(
        collector.take(agent.slice(at, 100)) for at in range(0, len(agent), 100)
    )
    compact = collector.compact(from_arrow(left))
    assert cache_estimate(compact, given_) == cache_estimate(from_arrow(agent), given_)


@pytest.fixture(scope="module")
def agent() -> pa.Table:
    path = Path(__file__).parents[2] / "datasets" / "agent.jsonl.gz"
    return pa.concat_tables(Reading([path]).tables())
