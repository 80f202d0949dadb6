"""Whatever a file holds, reading it as a trace ends in a trace that is one, or in a refusal."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.serving.checks import check_trace
from llmops_cli.traffic.request_traces import TRACE_FORMATS, TraceOptions, read_request_trace

values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 3000), st.integers(), st.floats(), st.text(max_size=4)
)
names = st.sampled_from(
    ["timestamp", "input_length", "output_length", "hash_ids", "session_id", "chat_id",
     "parent_chat_id", "arrival_time", "num_prompt_tokens", "num_output_tokens", "block_hashes",
     "block_size"]
)  # fmt: skip
lists = st.lists(st.one_of(st.integers(0, 9), st.integers(), st.text(max_size=5)), max_size=4)
rows = st.dictionaries(names, st.one_of(values, lists), max_size=12)
likely = st.fixed_dictionaries(
    {
        "timestamp": st.integers(0, 5),
        "input_length": st.integers(1, 64),
        "output_length": st.integers(0, 3),
        "hash_ids": st.lists(st.integers(0, 5), max_size=4),
    }
)
tables = st.lists(
    st.sampled_from(["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:17:03,5,6", "1,2",
                     "Timestamp,Request tokens,Response tokens", "5,6,7", '"', "a,b,c", ""]),
    max_size=6,
)  # fmt: skip
texts = st.one_of(
    st.lists(rows, max_size=5).map(lambda some: "\n".join(map(json.dumps, some)).encode()),
    st.lists(likely, max_size=6).map(lambda some: "\n".join(map(json.dumps, some)).encode()),
    tables.map(lambda some: "\n".join(some).encode()),
    st.binary(max_size=60),
)


@given(
    texts,
    st.sampled_from(["auto", *TRACE_FORMATS]),
    st.one_of(st.none(), st.integers(-1, 40)),
)
def test_a_trace_or_a_refusal(data: bytes, name: str, block_tokens: int | None) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        path.write_bytes(data)
        try:
            found = read_request_trace([path], TraceOptions(name, block_tokens))
        except LlmopsError:
            return
    trace = found.trace
    assert len(trace) == len(trace.starts) - 1
    assert not len(trace.blocks) or set(trace.blocks.tolist()) == set(
        range(int(trace.blocks.max()) + 1)
    )
    if len(trace) > 1 and trace.arrival_s[-1] > 0:
        check_trace(trace)
    assert (np.diff(trace.starts) > 0).all() == bool(trace.block_tokens) or not len(trace)
