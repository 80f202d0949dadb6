"""Input made to break a reader, or broken by accident: named by slug, in bounded memory."""

import copy
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from llmops_cli import read_calls
from llmops_cli.calls import BlockKind
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading, Traffic, streams
from llmops_cli.traffic.halves import without_halves

Line = dict[str, Any]
TYPICAL: dict[str, list[Line]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)
GOOD = json.dumps(TYPICAL["openai-chat"][0])
MEGABYTE = 1 << 20


def typical(name: str, number: int = 0) -> Line:
    return copy.deepcopy(TYPICAL[name][number])


def span(export: Line, number: int = 0) -> Line:
    return export["resourceSpans"][0]["scopeSpans"][0]["spans"][number]


def read(folder: Path, *lines: str | bytes | Line) -> Traffic:
    """The lines, and behind them a good one that must survive whatever came before."""
    path = folder / "log.jsonl"
    with path.open("wb") as log:
        for line in (*lines, GOOD):
            text = json.dumps(line) if isinstance(line, dict) else line
            log.write((text.encode() if isinstance(text, str) else text) + b"\n")
    traffic = read_calls([path])
    assert traffic.calls["source_line"].max() == 1 + len(lines)
    return traffic


def slugs(traffic: Traffic) -> list[tuple[int, str, str]]:
    return [(row.line, row.slug, row.field) for row in traffic.bad_rows]


@pytest.mark.parametrize("depth", [2_000, 10_000, 1_000_000])
@pytest.mark.parametrize(
    "frame",
    [
        b"%s", b'{"request": {"model": "claude-x", "messages": [%s]}}', b'{"resourceSpans": %s}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": %s}]}]}]}',
        b'{"call_type": "completion", "custom_llm_provider": "x", "messages": %s}',
        b'{"whatever": %s}', b'{"custom_id": "a", "params": %s}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("nest", [(b"[", b"]"), (b'{"a":', b"}")])
def test_endless_nesting_is_one_bad_row(
    tmp_path: Path, frame: bytes, nest: tuple[bytes, bytes], depth: int
) -> None:
    traffic = read(tmp_path, frame % (nest[0] * depth + b"1" + nest[1] * depth))
    assert [row.line for row in traffic.bad_rows] == [1]
    assert traffic.bad_rows[0].slug in {"traffic-too-deep", "traffic-json-array"}


@pytest.mark.parametrize("depth", [150, 400, 900])
def test_deep_attributes_cost_at_most_their_own_span(tmp_path: Path, depth: int) -> None:
    export = typical("otlp-json")
    value: Line = {"stringValue": "x"}
    for _ in range(depth // 3):
        value = {"arrayValue": {"values": [value]}}
    span(export)["attributes"].append({"key": "gen_ai.prompt.0.content", "value": value})
    span(export)["attributes"].append({"key": "gen_ai.request.model", "value": value})
    traffic = read(tmp_path, export)
    assert traffic.formats.get("otlp-json", 0) + traffic.bad_count >= 1


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_numbers_that_json_does_not_have(tmp_path: Path, word: str, field: str) -> None:
    line = typical("anthropic-messages")
    line["response"]["usage"][field] = "here"
    traffic = read(tmp_path, json.dumps(line).replace('"here"', word))
    assert [(row.line, row.slug) for row in traffic.bad_rows] in (
        [(1, "traffic-not-json")],
        [(1, "calls-bad-value")],
    )


def set_at(line: Line, path: str, value: object) -> Line:
    *steps, last = path.split(".")
    inner: Any = line
    for step in steps:
        inner = inner[int(step) if isinstance(inner, list) else step]
    inner[last] = value
    return line


COUNTERS = [
    ("anthropic-messages", 0, "response.usage.input_tokens"),
    ("anthropic-messages", 0, "response.usage.cache_read_input_tokens"),
    ("anthropic-messages", 0, "response.usage.output_tokens"),
    ("openai-chat", 0, "response.usage.prompt_tokens"),
    ("openai-chat", 0, "response.usage.completion_tokens_details.reasoning_tokens"),
    ("openai-responses", 0, "response.usage.input_tokens_details.cached_tokens"),
    ("langfuse", 0, "usageDetails.input"),
    ("litellm", 0, "prompt_tokens"),
    ("litellm", 0, "metadata.usage_object.prompt_tokens_details.cached_tokens"),
    ("anthropic-batch", 1, "result.message.usage.input_tokens"),
    ("openai-batch", 1, "response.body.usage.completion_tokens"),
    ("claude-code", 0, "message.usage.cache_creation.ephemeral_1h_input_tokens"),
    ("bedrock-invocation", 0, "input.inputTokenCount"),
    ("bedrock-invocation", 1, "output.outputBodyJson.usage.inputTokens"),
]


@pytest.mark.parametrize("value", [2**31, 2**63 - 1, 2**63, 2**64, 10**40, -1, -(2**63), 1.5])
@pytest.mark.parametrize(("name", "number", "path"), COUNTERS)
def test_counters_beyond_reason_are_bad_rows_by_field(
    tmp_path: Path, name: str, number: int, path: str, value: float
) -> None:
    traffic = read(tmp_path, set_at(typical(name, number), path, value))
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(1, "calls-bad-value")]
    # A body that is decoded by itself is named from its own top; keys that a team chose are not.
    field = traffic.bad_rows[0].field.removesuffix("[...]")
    assert field
    assert path.endswith(field) or path.startswith(field)
    assert str(value) not in traffic.bad_rows[0].message


@pytest.mark.parametrize(
    "value",
    [{"intValue": str(2**63)}, {"intValue": 2**70}, {"intValue": "-1"}, {"intValue": "many"},
     {"doubleValue": 1.5}, {"doubleValue": "NaN"}, {"stringValue": "many"}, {"boolValue": True}],
)  # fmt: skip
def test_odd_counters_in_telemetry_cost_one_span(tmp_path: Path, value: Line) -> None:
    export = typical("otlp-json")
    for pair in span(export, 1)["attributes"]:
        if pair["key"] == "gen_ai.usage.input_tokens":
            pair["value"] = value
    traffic = read(tmp_path, export)
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(1, "calls-bad-value")]
    assert traffic.formats["otlp-json"] == 2


NEGATIVE = [
    ("anthropic-messages", 0, "duration_s", -1.5, "calls-bad-value"),
    ("litellm", 0, "endTime", 1788249599.0, "calls-negative-duration"),
    ("langfuse", 0, "endTime", "2026-09-01T07:00:00Z", "calls-negative-duration"),
    ("bedrock-invocation", 1, "output.outputBodyJson.metrics.latencyMs", -5, "calls-bad-value"),
    ("otlp-json", 0, "resourceSpans.0.scopeSpans.0.spans.0.endTimeUnixNano", "1788249500000000000",
     "calls-negative-duration"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "number", "path", "value", "slug"), NEGATIVE)
def test_calls_that_end_before_they_begin_are_bad_rows(
    tmp_path: Path, name: str, number: int, path: str, value: object, slug: str
) -> None:
    traffic = read(tmp_path, set_at(typical(name, number), path, value))
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(1, slug)]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_a_time_in_the_wrong_unit_is_understood_by_its_size(tmp_path: Path, unit: int) -> None:
    export, payload, envelope = (
        typical("otlp-json"),
        typical("litellm"),
        typical("anthropic-messages", 1),
    )
    for one in (0, 1, 2):
        span(export, one)["startTimeUnixNano"] = str(1788249600 * unit)
        span(export, one)["endTimeUnixNano"] = str(1788249602 * unit)
    payload |= {"startTime": 1788249600 * unit, "endTime": 1788249602 * unit}
    del payload["completionStartTime"]
    envelope["ts"] = 1788249600 * unit
    traffic = read(tmp_path, export, payload, envelope)
    assert traffic.bad_count == 0
    others = traffic.calls[traffic.calls["source_line"] < 4]
    assert set(others["start_time"].astype("int64[pyarrow]") // 10**6) == {1788249600}
    assert set(others["duration_s"].dropna()) == {2.0}


@pytest.mark.parametrize("when", [-1, 10**25, "yesterday", "2026-13-01T00:00:00Z", True, [], ""])
@pytest.mark.parametrize(
    ("name", "path"),
    [("litellm", "startTime"), ("langfuse", "startTime"), ("claude-code", "timestamp"),
     ("bedrock-invocation", "timestamp"), ("anthropic-messages", "timestamp")],
)  # fmt: skip
def test_times_that_are_none_are_bad_rows(
    tmp_path: Path, name: str, path: str, when: object
) -> None:
    traffic = read(tmp_path, set_at(typical(name), path, when))
    assert len(traffic.bad_rows) == 1
    assert traffic.bad_rows[0].slug in {"calls-bad-time", "calls-bad-value"}


def test_a_span_that_was_logged_twice_is_one_call(tmp_path: Path) -> None:
    traffic = read(tmp_path, typical("otlp-json"), typical("otlp-json"))
    assert traffic.joins["duplicate-span"] == 3
    assert len(traffic.calls) == 3 + 1


def test_an_export_of_a_hundred_thousand_tiny_spans_is_read_whole(tmp_path: Path) -> None:
    export = typical("otlp-json")
    trace = span(export)["traceId"]
    spans = [{"traceId": trace, "spanId": f"{number:016x}"} for number in range(1, 100_001)]
    export["resourceSpans"][0]["scopeSpans"][0]["spans"] = spans
    traffic = read(tmp_path, export)
    assert traffic.bad_count == 0
    assert traffic.skipped["rows joined to calls"] == 100_000


def test_one_bad_span_of_very_many_costs_itself(tmp_path: Path) -> None:
    export = typical("otlp-json")
    good = json.dumps(span(export, 1))
    spans = [good] * 20_000
    spans[7] = '{"traceId": 5}'
    spans[9_999] = good.replace("chat gpt-5.1", r"chat \ud83d", 1)  # cut through an emoji
    text = json.dumps(export).replace(json.dumps(span(export)), ",".join(spans), 1)
    assert len(text) > 5 * MEGABYTE
    traffic = read(tmp_path, text)
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(1, "calls-bad-value")]
    # All but the two that were put in have one id, and one more of it was there before.
    assert traffic.joins["duplicate-span"] == 20_000 - 1


def test_a_span_of_very_many_attributes_is_read(tmp_path: Path) -> None:
    export = typical("otlp-json")
    span(export)["attributes"] += [
        {"key": f"key.{number}", "value": {"stringValue": "v"}} for number in range(200_000)
    ]
    span(export)["attributes"] += [
        {"key": f"llm.input_messages.{number}.message.content", "value": {"stringValue": "v"}}
        for number in range(20_000)
    ]
    traffic = read(tmp_path, export)
    assert traffic.formats["otlp-json"] == 3


def test_image_parts_weigh_as_images_whatever_their_bytes(tmp_path: Path) -> None:
    line = typical("anthropic-messages")
    source = line["request"]["messages"][0]["content"][1]["source"]
    source["data"] = "iVBORw0KGgo=" * MEGABYTE
    del line["response"]["usage"]
    line["response"]["content"] = []
    traffic = read(tmp_path, line)
    call = traffic.calls.iloc[0]
    (tokens,) = [
        tokens
        for tokens, kind in zip(call["block_tokens"], call["block_kinds"], strict=True)
        if kind == BlockKind.MEDIA
    ]
    assert tokens == 1_600


@pytest.mark.parametrize("half", [r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800x", r"\ud800 "])
@pytest.mark.parametrize("name", list(TYPICAL))
def test_halves_of_characters_do_not_cost_the_line(tmp_path: Path, name: str, half: str) -> None:
    text = json.dumps(typical(name))
    mended = text.replace('"x"', r'"\ufffd"').replace(r"\"x\"", r"\"\ufffd\"")
    cut = text.replace('"x"', f'"{half}"').replace(r"\"x\"", rf"\"{half}\"")
    assert cut != text or name in {"anthropic-batch", "claude-code"}
    found, expected = read(tmp_path, cut), read(tmp_path, mended)
    assert found.bad_count == 0
    assert len(found.calls) == len(expected.calls)


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (rb"\ud83d", rb"\ufffd"), (rb"\ud83d\ude00", rb"\ud83d\ude00"), (rb"\\ud83d", rb"\\ud83d"),
        (rb"\\\ud83d", rb"\\\ufffd"), (rb"\uDE00\uD83D", rb"\ufffd\ufffd"),
        (rb"\ud7ff", rb"\ud7ff"),
        (rb"\ud83d\ud83d\ude00", rb"\ufffd\ud83d\ude00"), (rb"\ue000 \n", rb"\ue000 \n"),
        (rb"\ud83d\n", rb"\ufffd\n"), (rb"\ud8", rb"\ud8"),
    ],
)  # fmt: skip
def test_only_halves_are_replaced(line: bytes, mended: bytes) -> None:
    assert without_halves(line) == mended


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        (b"\x00" * 100, "traffic-not-json"),
        (GOOD.encode() + b"\x00", "traffic-not-json"),
        (GOOD.replace("gpt-5.1", "gpt\x00").encode(), "traffic-not-json"),
        (GOOD.encode()[:-40], "traffic-not-json"),
        (GOOD.encode() + GOOD.encode(), "traffic-not-json"),
        (b"\xff\xfe" + GOOD.encode(), "traffic-not-utf8"),
        (GOOD.replace('"x"', '"\u00fc"').encode("latin-1"), "traffic-not-utf8"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "traffic-not-json"),
        (GOOD.encode("utf-16-le"), "traffic-not-utf8"),
    ],
)
def test_bytes_that_are_no_line_of_json(tmp_path: Path, line: bytes, slug: str) -> None:
    traffic = read(tmp_path, GOOD, line)
    assert traffic.bad_rows[0].line == 2
    assert traffic.bad_rows[0].slug in {slug, "traffic-not-json"}
    assert traffic.formats == {"openai-chat": 2}


def test_nul_as_json_spells_it_is_text_like_any_other(tmp_path: Path) -> None:
    line = typical("openai-chat")
    line["request"]["user"] = "a\x00b"
    assert read(tmp_path, line).calls["user_id"][0] == "a\x00b"


def test_of_a_key_that_is_repeated_the_last_counts(tmp_path: Path) -> None:
    text = json.dumps(typical("anthropic-messages", 1))
    text = text.replace('"session_id"', '"session_id": "first", "ts": 1788249000, "session_id"')
    call = read(tmp_path, text).calls.iloc[0]
    assert call["conversation_id"] == "s"
    assert call["start_time"].timestamp() == 1788249000


def test_a_prompt_of_more_messages_than_any_api_takes(tmp_path: Path) -> None:
    line = typical("openai-chat")
    line["request"]["messages"] = [{"role": "user", "content": "x"}] * 100_001
    assert [row.slug for row in read(tmp_path, line).bad_rows] == ["calls-bad-content"]


def test_an_unreadable_line_never_quotes_itself(tmp_path: Path) -> None:
    lines = [
        json.dumps(line).replace('"x"', '"SECRET"') for name in TYPICAL for line in TYPICAL[name]
    ]
    broken = [line[: len(line) * part // 7] for line in lines for part in range(1, 7)]
    broken += [line.replace(":", ': ["SECRET"], "SECRET":', 1) for line in lines]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*broken, GOOD]))
    traffic = read_calls([path], max_bad_rows=10_000)
    assert traffic.bad_count > len(broken) / 2
    for row in traffic.bad_rows:
        assert "SECRET" not in row.message + row.field + row.slug


# From here on: amounts. What a process needs at its peak is told by the operating system.

MEASURED = """
import resource, sys
from llmops_cli.traffic import Options, Reading
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reading = Reading(sys.argv[1:], Options())
calls = sum(table.num_rows for table in reading.tables(required=False))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(calls, len(reading.quarantine.rows), (peak - before) // 1024)
for row in reading.quarantine.rows: print(row.line, row.slug)
"""


def measured(path: Path) -> tuple[int, int, int, list[str]]:
    """Calls, bad rows, the megabytes that reading took at its peak, and the bad rows' slugs."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    first, *rows = done.stdout.splitlines() or [done.stderr.strip().rpartition("\n")[2]]
    assert done.returncode == 0, first
    calls, bad, megabytes = map(int, first.split())
    return calls, bad, megabytes, rows


def conversation(megabytes: int) -> Iterator[bytes]:
    """One request of so much text, and a good line behind it."""
    head, _, tail = GOOD.partition('"x"')
    yield f'{head}"'.encode()
    for _ in range(megabytes):
        yield b"x" * MEGABYTE
    yield f'"{tail}\n{GOOD}\n'.encode()


@pytest.mark.parametrize(("megabytes", "bad"), [(60, 0), (100, 1)])
def test_a_line_of_very_many_megabytes(tmp_path: Path, megabytes: int, bad: int) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("wb") as log:
        log.writelines(conversation(megabytes))
    calls, found, peak, rows = measured(path)
    assert (calls, found) == (2 - bad, bad)
    assert rows == ["1 traffic-line-too-long"] * bad
    assert peak < 5 * 64


def test_an_export_of_very_many_megabytes(tmp_path: Path) -> None:
    export = typical("otlp-json")
    text = json.dumps(span(export, 1))
    head, _, tail = json.dumps(export).partition(json.dumps(span(export)))
    count = 40 * MEGABYTE // len(text)
    path = tmp_path / "log.jsonl"
    with path.open("w") as log:
        log.write(head + text)
        for number in range(count):
            log.write("," + text.replace("eee19b7ec3c1b172", f"{number:016x}"))
        log.write(tail + "\n")
    calls, found, peak, _ = measured(path)
    assert calls > count
    assert found == 0
    assert peak < 6 * 40


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


@pytest.mark.parametrize(
    ("name", "pack"), [("log.jsonl.gz", gzip.compress), ("log.jsonl.zst", zstd)]
)
def test_an_archive_that_swells_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes]
) -> None:
    path, piece = tmp_path / name, pack(b"\x00" * (32 * MEGABYTE))
    assert len(piece) * 1000 < 32 * MEGABYTE
    with path.open("wb") as archive:
        archive.writelines([pack(f"{GOOD}\n".encode()), *[piece] * 8])
    monkeypatch.setattr(streams, "_RATIO_FROM", 20 * MEGABYTE)
    with pytest.raises(LlmopsError) as refusal:
        list(Reading([path], Options(max_bad_rows=10**9)).tables())
    assert (refusal.value.slug, refusal.value.file) == ("traffic-zip-bomb", str(path))
