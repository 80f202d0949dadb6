"""Counters in doubt are settled by whoever proved how it counts, and by nobody else."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.doubtful import Doubts

Row = tuple[str | None, bool | None, bool]
"""Who counted, whether cached tokens are outside of the input (None: no matter), and kept."""

rows = st.tuples(
    st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, False, True]), st.booleans()
)


def table(of: list[Row]) -> pa.Table:
    return pa.table(
        {
            "counted_by": pa.array([row[0] for row in of], pa.string()),
            "cached_outside": pa.array([row[1] for row in of], pa.bool_()),
        }
    )


@given(st.lists(st.lists(rows, max_size=6), min_size=1, max_size=4))
def test_a_proof_in_any_table_settles_the_doubts_of_all(tables: list[list[Row]]) -> None:
    doubts = Doubts()
    for each in tables:
        doubts.see(table(each))
    counts = dict[str, int]()
    found = [doubts.settled(table(t), np.array([r[2] for r in t], bool), counts) for t in tables]
    proven = {who for each in tables for who, outside, _ in each if outside and who}
    told = Counter[str]()
    for each, settled in zip(tables, found, strict=True):
        wanted = [kept and outside is False and who in proven for who, outside, kept in each]
        assert settled.tolist() == wanted
        for (_, outside, kept), reread in zip(each, wanted, strict=True):
            if kept and outside is not None:
                told["cached-tokens-outside" if outside or reread else "cached-tokens-inside"] += 1
    assert counts == dict(told)
