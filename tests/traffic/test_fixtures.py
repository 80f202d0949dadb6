"""Logs recorded from the real SDKs are read to the calls that were made, field by field.

``tests/fixtures/README.md`` tells how they were recorded. What an instrumentation leaves out
or says in its own words stands in ``differences.yaml``, file by file; the rest is the truth.
"""

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmops_cli import read_calls
from llmops_cli.calls import validate

Json = dict[str, Any]
Row = dict[str, Any]

FIXTURES = Path(__file__).parents[1] / "fixtures"
TRUTH: Json = json.loads((FIXTURES / "truth.json").read_text("utf-8"))
DIFFERENCES: Json = yaml.safe_load((FIXTURES / "differences.yaml").read_text("utf-8"))
RECORDINGS: dict[str, Json] = TRUTH["recordings"]
OTLP = sorted(name for name in RECORDINGS if name != "litellm")
TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
FIELDS = (
    "call_id",
    "provider_name",
    "operation_name",
    "request_model",
    "response_model",
    "service_tier",
    *TOKENS,
    "finish_reason",
    "error_type",
    "attempts",
)


def counted(api: str, usage: Json) -> tuple[int | None, ...]:
    """The vendor's counters as ``TOKENS``."""
    if api == "messages":
        written = usage["cache_creation"]
        return (
            usage["input_tokens"],
            usage["cache_read_input_tokens"],
            written["ephemeral_5m_input_tokens"],
            written["ephemeral_1h_input_tokens"],
            usage["output_tokens"],
            usage.get("output_tokens_details", {}).get("thinking_tokens"),
        )
    given, made = ("input", "output") if api == "responses" else ("prompt", "completion")
    inside = usage.get(f"{given}_tokens_details", {})
    read, written = inside.get("cached_tokens", 0), inside.get("cache_write_tokens", 0)
    return (
        usage[f"{given}_tokens"] - read - written,
        read,
        written,
        0,
        usage.get(f"{made}_tokens", 0),
        usage.get(f"{made}_tokens_details", {}).get("reasoning_tokens"),
    )


def ended(api: str, response: Json) -> str | None:
    if api == "messages":
        return response["stop_reason"]
    if api == "responses":
        return response["status"]
    return response["choices"][0]["finish_reason"] if api == "chat" else None


def truth(sdk: str, name: str) -> Row:
    """What the calls table should say of a call, whoever logged it."""
    call = TRUTH["calls"][sdk][name]
    api, response = call["api"], call["response"] or {}
    usage = response.get("usage") or {}
    tokens = zip(TOKENS, counted(api, usage), strict=True) if usage else ()
    return dict.fromkeys(TOKENS) | {
        "call_id": response.get("id"),
        "provider_name": sdk,
        "operation_name": "embeddings" if api == "embeddings" else "chat",
        "request_model": call["request"]["model"],
        "response_model": response.get("model"),
        "service_tier": response.get("service_tier") or usage.get("service_tier"),
        "finish_reason": ended(api, response) if response else None,
        "ttft": bool(call["request"].get("stream")),
        **dict(tokens),
    }


def attempted(calls: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The attempts at each call: inside one span of its own the application tried again."""
    found = list[list[tuple[str, str]]]()
    for inside, group in groupby(
        calls, lambda call: TRUTH["calls"][call[0]][call[1]].get("inside")
    ):
        calls = list(group)
        found += [calls] if inside else [[call] for call in calls]
    return found


def differences(file: str, name: str) -> list[Any]:
    """What ``file`` says otherwise of a call."""
    return [item["says"] for item in DIFFERENCES[file] if name in item.get("of", [name])]


def recorded(file: str) -> list[list[tuple[str, str]]]:
    """The calls that ``file`` should hold: SDK and name of every attempt at each."""
    recording = RECORDINGS[file]
    calls = recording["calls"].items()
    return attempted(
        (seen.get("sdk", recording["sdk"]), name)
        for name, seen in calls
        if "missing" not in differences(file, name)
    )


def expected(file: str) -> list[Row]:
    """The rows that ``file`` should give."""
    rows = list[Row]()
    for attempts in recorded(file):
        sdk, name = attempts[-1]
        seen = RECORDINGS[file]["calls"][name]
        row = truth(sdk, name) | {"attempts": len(attempts), "error_type": seen.get("exception")}
        told = RECORDINGS[file]["content"] and row["operation_name"] == "chat"
        row["blocks"] = "same" if told else "none"
        if told and row["call_id"] and row["input_tokens"] is None:
            row["input_tokens"] = "estimated"
        for says in differences(file, name):
            row |= {
                column: said.get(row[column], row[column]) if isinstance(said, dict) else said
                for column, said in says.items()
            }
        rows.append({"name": name} | row)
    return rows


def read(path: Path) -> list[Row]:
    """The rows of a file; none of it may be unreadable."""
    traffic = read_calls([path])
    assert traffic.bad_rows == ()
    validate(traffic.calls)
    return traffic.calls.astype(object).where(traffic.calls.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """The same calls as a gateway logs them, request and response as they are, by name."""
    path = tmp_path_factory.mktemp("log") / "gateway.jsonl"
    lines = [
        {"task": name, "provider": sdk, **{key: call[key] for key in ("request", "response")}}
        for sdk, calls in TRUTH["calls"].items()
        for name, call in calls.items()
        if call["api"] != "embeddings"
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return {row["task"]: row for row in read(path)}


def compared(row: Row, wanted: Row, prompts: dict[str, Row]) -> Row:
    """What a row says, in the words of the expectation."""
    found = {name: row[name] for name in FIELDS}
    found |= {"name": wanted["name"], "ttft": row["ttft_s"] is not None}
    if row["tokens_estimated"]:
        assert row["input_tokens"] == sum(row["block_tokens"])
        found["input_tokens"] = "estimated"
    if wanted["call_id"] == "span_id" and row["call_id"] == row["span_id"]:
        found["call_id"] = "span_id"
    same = prompts.get(wanted["name"], {"block_hashes": [], "block_kinds": []})
    found["blocks"] = agreed(row, same)
    return found


def agreed(row: Row, prompt: Row) -> str | int:
    """Whether two prompts are the same blocks, else how many they begin with alike."""
    if not len(row["block_hashes"]):
        return "none"
    one, other = (
        list(zip(r["block_hashes"], r["block_kinds"], strict=True)) for r in (row, prompt)
    )
    if one == other:
        return "same"
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


def assert_told(rows: list[Row], wanted: list[Row], prompts: dict[str, Row]) -> None:
    assert len(rows) == len(wanted)
    said = [compared(row, want, prompts) for row, want in zip(rows, wanted, strict=True)]
    assert said == wanted


@pytest.mark.parametrize("file", OTLP)
def test_a_recording_is_read_to_the_calls_that_were_made(
    file: str, prompts: dict[str, Row]
) -> None:
    assert_told(read(FIXTURES / "otlp" / f"{file}.jsonl"), expected(file), prompts)


def test_the_same_telemetry_in_protobuf_is_the_same(prompts: dict[str, Row]) -> None:
    file = "anthropic-opentelemetry-content"
    assert_told(read(FIXTURES / "otlp" / f"{file}.binpb"), expected(file), prompts)


def test_a_log_of_litellm_is_read_to_the_calls_that_were_made(prompts: dict[str, Row]) -> None:
    path = FIXTURES / "litellm" / "litellm.jsonl"
    rows, wanted = read(path), expected("litellm")
    for want, line in zip(wanted, path.read_text("utf-8").splitlines(), strict=True):
        if want["call_id"] == "id":
            want["call_id"] = json.loads(line)["id"]
    assert_told(rows, wanted, prompts)
    markers = {
        want["name"]: list(row["block_markers"]) for row, want in zip(rows, wanted, strict=True)
    }
    assert markers["cache-write"] == list(prompts["cache-write"]["block_markers"]) == [2, 1, 0]


def test_a_log_of_the_api_itself_is_the_truth(prompts: dict[str, Row]) -> None:
    for sdk, calls in TRUTH["calls"].items():
        for name in calls.keys() & prompts.keys():
            wanted = {key: value for key, value in truth(sdk, name).items() if key != "ttft"}
            row = prompts[name]
            if wanted["call_id"] is None:
                wanted |= {"call_id": row["call_id"]}
            if row["tokens_estimated"]:
                wanted["input_tokens"] = sum(row["block_tokens"])
            assert {key: row[key] for key in wanted} == wanted, name


@pytest.mark.parametrize("file", OTLP)
def test_times_lie_inside_what_the_client_measured(file: str) -> None:
    rows = read(FIXTURES / "otlp" / f"{file}.jsonl")
    seen = RECORDINGS[file]["calls"]
    for row, attempts in zip(rows, recorded(file), strict=True):
        first, last = seen[attempts[0][1]], seen[attempts[-1][1]]
        begin, end = row["start_time"].value, row["start_time"].value + row["duration_s"] * 1e9
        assert first["start_ns"] // 1000 * 1000 <= begin
        assert end <= last["end_ns"] + 1e3
        # The server never answers sooner.
        assert row["duration_s"] >= 0.01
        if row["ttft_s"] is not None:
            until_first = (last["first_chunk_ns"] - begin) / 1e9
            assert 0.02 <= row["ttft_s"] <= until_first + 0.001


RETRIED = {"openai": "chat-retried-by-sdk", "anthropic": "retried-by-sdk"}


@pytest.mark.parametrize(
    "file", [f for f in OTLP if RETRIED[RECORDINGS[f]["sdk"]] in RECORDINGS[f]["calls"]]
)
def test_retries_inside_an_sdk_are_seen_by_no_instrumentation(file: str) -> None:
    # Two requests were sent, one call is told: only its duration shows that it waited.
    name = RETRIED[RECORDINGS[file]["sdk"]]
    assert RECORDINGS[file]["calls"][name]["http_requests"] == 2
    rows = zip(expected(file), read(FIXTURES / "otlp" / f"{file}.jsonl"), strict=True)
    (row,) = [row for want, row in rows if want["name"] == name]
    assert row["attempts"] == 1


NAMES_A_MACHINE = (b"/home/", b"/root", b"/tmp/", b"site-packages", b"host.name", b"process.")


@pytest.mark.parametrize("name", ["otlp", "litellm", "truth.json"])
def test_fixtures_are_small_and_name_no_machine(name: str) -> None:
    root = FIXTURES / name
    paths = sorted(root.iterdir()) if root.is_dir() else [root]
    assert paths
    assert sum(path.stat().st_size for path in paths) < 400_000
    for path in paths:
        data = path.read_bytes()
        assert len(data) < 60_000, path.name
        assert [word for word in NAMES_A_MACHINE if word in data] == [], path.name


def test_every_recording_has_its_file_and_every_file_its_recording() -> None:
    assert {path.stem for path in (FIXTURES / "otlp").iterdir()} == set(OTLP)
    assert DIFFERENCES.keys() >= RECORDINGS.keys()
