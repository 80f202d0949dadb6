"""Every format of request traces: what is read of it, and what is refused with its reason."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.request_traces import (
    TraceOptions,
    TraceRead,
    looks_like_request_trace,
    read_request_trace,
)

MOONCAKE = [
    {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [0, 1, 2]},
    {"timestamp": 1500, "input_length": 1025, "output_length": 7, "hash_ids": [0, 1, 3]},
    {"timestamp": 1500, "input_length": 512, "output_length": 9, "hash_ids": [0]},
]
BAILIAN = [
    {"chat_id": 7, "parent_chat_id": -1, "timestamp": 61.5, "input_length": 40, "output_length": 3,
     "type": "text", "turn": 1, "hash_ids": [9, 8, 7]},
    {"chat_id": 9, "parent_chat_id": 7, "timestamp": 63.0, "input_length": 50, "output_length": 4,
     "type": "text", "turn": 2, "hash_ids": [9, 8, 6, 5]},
    {"chat_id": 4, "parent_chat_id": -1, "timestamp": 63.0, "input_length": 16, "output_length": 4,
     "type": "text", "turn": 1, "hash_ids": [1]},
]  # fmt: skip
VLLM = [
    {"arrival_time": 10.0, "num_prompt_tokens": 40, "num_output_tokens": 3,
     "block_hashes": ["00ff", "ab12"], "block_size": 16},
    {"arrival_time": 10.5, "num_prompt_tokens": 33, "num_output_tokens": 3,
     "block_hashes": ["00ff", "ab12"], "block_size": 16},
    {"arrival_time": 11.0, "num_prompt_tokens": 15, "num_output_tokens": 3, "block_hashes": []},
]  # fmt: skip
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:01.509930+00:00,2399,6
"""
BURSTGPT = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens
5,a,2.0,ChatGPT,472,18,490
45.0,a,1.0,ChatGPT,1087.0,230,1317
"""


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(
    folder: Path, text: str, name: str = "trace.jsonl", **options: str | int | None
) -> TraceRead:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_request_trace([path], TraceOptions(**options))


def test_mooncake_milliseconds_lengths_and_prefixes(tmp_path: Path) -> None:
    found = read(tmp_path, jsonl(MOONCAKE))
    trace = found.trace
    assert found.format == "mooncake"
    assert trace.arrival_s.tolist() == [0, 1.5, 1.5]
    assert trace.input_tokens.tolist() == [1100, 1025, 512]
    assert trace.output_tokens.tolist() == [5, 7, 9]
    assert trace.block_tokens == 512
    assert trace.starts.tolist() == [0, 3, 6, 7]
    assert trace.blocks.tolist() == [0, 1, 2, 0, 1, 3, 0]
    assert trace.session.tolist() == [-1, -1, -1]
    assert trace.lines is not None
    assert trace.lines.tolist() == [1, 2, 3]
    assert (found.bad_rows, found.split) == ((), 0)


def test_bailian_seconds_and_chats_by_their_first_turn(tmp_path: Path) -> None:
    found = read(tmp_path, jsonl(BAILIAN))
    assert (found.format, found.trace.block_tokens) == ("bailian", 16)
    assert found.trace.arrival_s.tolist() == [0, 1.5, 1.5]
    assert found.trace.session.tolist() == [0, 0, 1]


def test_an_engine_hashes_full_blocks_and_the_rest_is_shared_with_nobody(tmp_path: Path) -> None:
    trace = read(tmp_path, jsonl(VLLM)).trace
    assert trace.block_tokens == 16
    assert np.diff(trace.starts).tolist() == [3, 3, 1]
    shared, rest = trace.blocks[[0, 1, 3, 4]], trace.blocks[[2, 5, 6]]
    assert shared[:2].tolist() == shared[2:].tolist()
    assert len({*shared.tolist(), *rest.tolist()}) == 5


@pytest.mark.parametrize(
    ("text", "name", "arrivals"),
    [
        (AZURE, "azure", [0, 0.052]),
        (AZURE_2024, "azure", [0, 1.5]),
        (BURSTGPT, "burstgpt", [0, 40]),
    ],
)
def test_lengths_alone_share_nothing(
    tmp_path: Path, text: str, name: str, arrivals: list[float]
) -> None:
    found = read(tmp_path, text, "trace.csv")
    assert found.format == name
    assert found.trace.arrival_s == pytest.approx(arrivals, abs=1e-6)
    assert (found.trace.block_tokens, len(found.trace.blocks)) == (0, 0)
    assert found.trace.starts.tolist() == [0, 0, 0]


def test_sessions_of_burstgpt(tmp_path: Path) -> None:
    trace = read(tmp_path, BURSTGPT, "trace.csv").trace
    assert trace.session.tolist() == [0, 0]
    assert trace.input_tokens.tolist() == [472, 1087]


def test_compressed_and_in_several_files(tmp_path: Path) -> None:
    whole = read(tmp_path, jsonl(MOONCAKE), "whole.jsonl.gz").trace
    for number, row in enumerate(MOONCAKE):
        (tmp_path / f"part{number}.jsonl").write_text(jsonl([row]))
    parts = read_request_trace([tmp_path / f"part{number}.jsonl" for number in range(3)]).trace
    assert parts.blocks.tolist() == whole.blocks.tolist()
    assert parts.arrival_s.tolist() == whole.arrival_s.tolist()
    assert parts.lines is None


def changed(row: int, **fields: object) -> str:
    rows = [{**each} for each in MOONCAKE]
    rows[row] |= fields
    return jsonl([{k: v for k, v in each.items() if v is not None} for each in rows])


@pytest.mark.parametrize(
    ("row", "fields", "slug", "field"),
    [
        (1, {"output_length": 0}, "trace-no-output", "output_length"),
        (1, {"input_length": 0}, "trace-no-input", "input_length"),
        (1, {"input_length": -4}, "trace-bad-length", "input_length"),
        (1, {"input_length": 2**40}, "trace-bad-length", "input_length"),
        (1, {"input_length": "much"}, "calls-bad-value", "input_length"),
        (1, {"output_length": None}, "calls-missing-field", "output_length"),
        (1, {"timestamp": None}, "trace-no-time", "timestamp"),
        (1, {"hash_ids": [0, 1]}, "trace-hash-length", "hash_ids"),
        (1, {"hash_ids": [0, 1, 3, 4]}, "trace-hash-length", "hash_ids"),
    ],
)
def test_a_row_that_contradicts_itself_is_named_and_left_out(
    tmp_path: Path, row: int, fields: dict[str, object], slug: str, field: str
) -> None:
    found = read(tmp_path, changed(row, **fields))
    assert [(bad.line, bad.slug, bad.field) for bad in found.bad_rows] == [(row + 1, slug, field)]
    assert len(found.trace) == 2
    assert found.trace.starts.tolist() == [0, 3, 4]
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, changed(row, **fields), max_bad_rows=0)
    assert (caught.value.slug, caught.value.line) == (slug, row + 1)


def test_hashes_and_length_that_disagree_are_said_in_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, changed(1, hash_ids=[0, 1]))
    assert found.bad_rows[0].message == (
        "2 block hashes where 1,025 tokens in blocks of 512 have 3"
    )


@pytest.mark.parametrize(
    ("text", "options", "slug", "words"),
    [
        (changed(2, timestamp=1499), {}, "trace-unsorted", "0.001 s before the one above it"),
        (jsonl(MOONCAKE), {"block_tokens": 16}, "trace-block-size", "3 hashes where 69 are due"),
        (
            jsonl([row | {"hash_ids": [1] * n} for row, n in zip(MOONCAKE, (1, 90, 400),
                                                                  strict=True)]),
            {}, "trace-block-size", "no block size explains",
        ),
        (
            jsonl([row | {"input_length": 5000, "hash_ids": [1]} for row in MOONCAKE]),
            {}, "trace-block-size-unknown", "5,000 to more",
        ),
        ("{}\n", {}, "trace-unknown-format", "neither the fields nor the columns"),
        (AZURE.replace("ContextTokens", "Context"), {"format": "azure"}, "trace-missing-column",
         "'ContextTokens'"),
        ("\n", {"format": "mooncake"}, "traffic-empty", "nothing in it"),
        (AZURE.splitlines()[0], {}, "trace-empty", "no request"),
        (changed(0, output_length=0).splitlines()[0], {}, "trace-empty", "none of 1 rows"),
        (jsonl(MOONCAKE), {"format": "sharegpt"}, "trace-unknown-format", "no format of"),
    ],
)  # fmt: skip
def test_a_trace_that_contradicts_itself_is_refused(
    tmp_path: Path, text: str, options: dict[str, str | int], slug: str, words: str
) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, text, **options)
    assert caught.value.slug == slug
    assert words in caught.value.message


def test_unsorted_arrivals_are_placed(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, changed(2, timestamp=1))
    assert caught.value.line == 3
    assert caught.value.file.endswith("trace.jsonl")


def test_two_block_sizes_in_one_file(tmp_path: Path) -> None:
    rows = [VLLM[0], VLLM[1] | {"block_size": 32}, VLLM[2]]
    found = read(tmp_path, jsonl(rows))
    assert [(bad.line, bad.slug) for bad in found.bad_rows] == [(2, "trace-two-block-sizes")]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        (AZURE.replace(",10\n", ",0\n"), "trace-no-output"),
        (AZURE.replace(",10\n", ",ten\n"), "trace-bad-length"),
        (AZURE.replace(",10\n", ",1.5\n"), "trace-bad-length"),
        (AZURE.replace(",10\n", "\n"), "trace-short-row"),
        (AZURE.replace(",10\n", ",10,7\n"), "trace-long-row"),
        (AZURE.replace("2023-11-16 18:17:03.9799600", "soon"), "calls-bad-time"),
        (BURSTGPT.replace("472", ""), "trace-bad-length"),
        (BURSTGPT.replace("\n5,", "\nnan,"), "trace-bad-time"),
        (BURSTGPT.replace("\n5,", "\nsoon,"), "trace-bad-time"),
    ],
)
def test_rows_of_tables_that_cannot_be_requests(tmp_path: Path, text: str, slug: str) -> None:
    found = read(tmp_path, text, "trace.csv")
    assert [(bad.line, bad.slug) for bad in found.bad_rows] == [(2, slug)]


def test_what_is_a_trace_and_what_is_a_log(tmp_path: Path, datasets: Path) -> None:
    (tmp_path / "trace.jsonl").write_text(jsonl(MOONCAKE))
    (tmp_path / "trace.csv").write_text(AZURE)
    assert looks_like_request_trace([tmp_path / "trace.jsonl"])
    assert looks_like_request_trace([tmp_path / "trace.csv"])
    assert looks_like_request_trace(["-"])
    assert not looks_like_request_trace([datasets / "agent.jsonl.gz"])
    assert not looks_like_request_trace([tmp_path / "absent.jsonl"])


def test_the_conversation_trace_of_mooncake(public_data: Path) -> None:
    found = read_request_trace([public_data / "mooncake" / "conversation_trace.jsonl"])
    trace = found.trace
    assert (len(trace), trace.block_tokens, found.bad_rows, found.split) == (12_031, 512, (), 0)
    assert (len(trace.blocks), int(trace.blocks.max()) + 1) == (288_500, 182_790)
    assert int(trace.input_tokens.sum()) == 144_793_823
    assert int(trace.output_tokens.sum()) == 4_122_048


def test_the_code_trace_of_azure(public_data: Path) -> None:
    found = read_request_trace([public_data / "azure" / "AzureLLMInferenceTrace_code.csv"])
    assert (len(found.trace), found.trace.block_tokens, found.bad_rows) == (8_819, 0, ())
