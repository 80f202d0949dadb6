"""Spans that are read together give what each would give alone, and most are read together."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.otlp.json_format import Line, decode_leniently, rows
from llmops_cli.traffic.otlp.messages import ExportRequest
from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.prompts import Prompt
from llmops_cli.traffic.refusals import REFUSALS
from llmops_cli.traffic.rows import Calls, Skipped
from llmops_cli.traffic.table import Role, StagedRow

from .conftest import SECOND, START, TRACE, Otlp, any_value

Json = dict[str, Any]

PLACE = ("log.jsonl", 7)
CHAT: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.model": "gpt-5.1-2025-11-13",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "c1",
    "gen_ai.usage.input_tokens": 400,
    "gen_ai.usage.output_tokens": 120,
}


def messages(*said: str, role: str = "user") -> str:
    parts = [{"role": role, "parts": [{"type": "text", "content": text}]} for text in said]
    return json.dumps(parts)


_texts = st.sampled_from(["", "chat", "LLM", "embeddings", "execute_tool", "azure", "c2", "é"])
_odd = st.one_of(
    _texts,
    st.sampled_from(
        [0, 7, -1, 2**40, 0.5, -2.0, 1e13, True, ["stop", "length"], [], [3], {}, "12"]
    ),
    st.sampled_from(
        [
            messages("a"),
            messages("a", "b"),
            messages("a", "b", "c"),
            messages("a", "b", role="nobody"),
            messages("a")[:-1],
            '[{"role": "user", "content": "old"}]',
            '[{"role": "user", "parts": [5]}]',
            "[]",
            "text",
        ]
    ),
)
_counters = st.sampled_from([0, 5, 300, 500])
_names = st.sampled_from(
    [
        *CHAT,
        "gen_ai.system",
        "gen_ai.input.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "gen_ai.prompt",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.response.time_to_first_chunk",
        "llm.finish_reason",
        "openinference.span.kind",
        "llm.invocation_parameters",
        "llm.input_messages.0.message.content",
        "session.id",
        "error.type",
        "llmops.call",
        "some.other",
    ]
)
_counts = st.dictionaries(
    st.sampled_from(
        [
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.total_tokens",
        ]
    ),
    _counters,
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([None, {}, {"code": 1}, {"code": 2}, {"code": "odd"}]),
        "traceId": st.sampled_from([TRACE.upper(), "0" * 32, "", "ab"]),
        "spanId": st.sampled_from(["ABCDEF0123456789", "0" * 16, ""]),
        "startTimeUnixNano": st.sampled_from(["0", str(START // 10**6), "odd", str(START)]),
        "endTimeUnixNano": st.sampled_from(["0", str(START - SECOND), 10**19]),
        "events": st.sampled_from([[], [Otlp.event("gen_ai.evaluation.result", {})]]),
    },
)


@st.composite
def spans(draw: st.DrawFn) -> list[Json]:
    """Spans of a few instrumentations, some of them with something odd about them."""
    kinds = [CHAT | draw(st.dictionaries(_names, _odd, max_size=2)) for _ in range(2)]
    found = list[Json]()
    for number in range(1, draw(st.integers(2, 7))):
        values = draw(st.sampled_from(kinds)) | draw(_counts)
        if draw(st.booleans()):
            values |= {"gen_ai.input.messages": messages(*"abcdef"[: draw(st.integers(0, 6))])}
        if draw(st.integers(0, 4)) == 0:
            values |= {draw(_names): draw(_odd)}
        fields = draw(_fields) if draw(st.integers(0, 3)) == 0 else {}
        found.append(Otlp.span(values, number, **fields))
        if draw(st.integers(0, 9)) == 0:
            found[-1]["attributes"].append({"key": draw(_names), "value": any_value(draw(_odd))})
    return found


def staged(request: ExportRequest, place: tuple[str, int] | None) -> list[object]:
    """What a table would get of an export, row by row, and what is refused in between."""
    reader, found = PromptReader(), list[object]()
    for each in rows(request, place):
        if isinstance(each, Calls):
            for row, runs in zip(each.rows, each.prompts, strict=True):
                found += tried(lambda row=row, runs=runs: (row, reader.read_runs(runs)))
        elif isinstance(each, tuple):
            found += tried(lambda each=each: alone(reader, *each))
        elif isinstance(each, Skipped):
            found.append(each)
        else:
            found.append((each.slug, each.message, each.field))
    return found


def tried(read: Any) -> list[object]:  # noqa: ANN401 - either way of reading
    try:
        return [read()]
    except REFUSALS as error:
        return [str(error)]


def alone(reader: PromptReader, columns: Json, parts: Any) -> tuple[tuple[Any, ...], Prompt]:  # noqa: ANN401
    row = msgspec.convert(columns, StagedRow)
    row.source_file, row.source_line = PLACE
    prompt = reader.read(parts, chained=row.role != Role.CONTENT)
    return msgspec.structs.astuple(row), prompt


def request_of(*found: Json, scope: str = "instrumentation") -> ExportRequest:
    line = json.dumps(Otlp.traces(*found, scope=scope))
    return msgspec.json.decode(line, type=Line)


def together(request: ExportRequest) -> list[int]:
    """How many calls came together, again and again."""
    return [len(each.rows) for each in rows(request, PLACE) if isinstance(each, Calls)]


@given(spans(), st.sampled_from(["instrumentation", "llmops"]))
def test_spans_give_together_what_they_give_alone(found: list[Json], scope: str) -> None:
    request = request_of(*found, scope=scope)
    assert staged(request, PLACE) == staged(request, None)


@given(spans())
def test_spans_that_are_decoded_one_by_one_give_the_same(found: list[Json]) -> None:
    loose = decode_leniently(json.dumps(Otlp.traces(*found)).encode())
    assert staged(loose, PLACE) == staged(request_of(*found), None)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gen_ai.input.messages": messages("a", "b")},
        {
            "gen_ai.tool.definitions": '[{"type": "function", "name": "f"}]',
            "gen_ai.system_instructions": '[{"type": "text", "content": "be kind"}]',
            "gen_ai.input.messages": messages("a"),
        },
        {"gen_ai.usage.cache_read.input_tokens": 256},
        {"gen_ai.usage.cache_read.input_tokens": 9000},
        {"gen_ai.usage.total_tokens": 520, "gen_ai.usage.reasoning.output_tokens": 20},
        {"gen_ai.system": "openai", "gen_ai.output.messages": "[]", "server.port": 443},
        {"gen_ai.response.time_to_first_chunk": 0.25, "error.type": "timeout"},
    ],
)
def test_calls_of_one_instrumentation_are_read_together(more: Json) -> None:
    request = request_of(*[Otlp.span(CHAT | more, number) for number in range(1, 9)])
    assert together(request) == [8]
    assert staged(request, PLACE) == staged(request, None)


@pytest.mark.parametrize(
    "odd",
    [
        {"gen_ai.usage.input_tokens": "12"},
        {"gen_ai.operation.name": "embeddings"},
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.input.messages": messages("cut")[:-5]},
        {"gen_ai.system_instructions": '["only these"]'},
    ],
)
def test_a_span_that_needs_a_look_of_its_own_keeps_its_place(odd: Json) -> None:
    plain = [Otlp.span(CHAT | {"user.id": "u"}, number) for number in (1, 2, 4, 5)]
    request = request_of(*plain[:2], Otlp.span(CHAT | odd, 3), *plain[2:])
    assert together(request) == [2, 2]
    assert staged(request, PLACE) == staged(request, None)


def test_where_the_first_name_says_nothing_another_does() -> None:
    values = CHAT | {"gen_ai.response.finish_reasons": [], "llm.finish_reason": "length"}
    request = request_of(*[Otlp.span(values, number) for number in range(1, 5)])
    assert staged(request, PLACE) == staged(request, None)


def test_an_export_of_many_long_spans_is_never_decoded_whole() -> None:
    said = messages("x" * 600_000)
    found = [Otlp.span(CHAT | {"gen_ai.input.messages": said}, number) for number in range(1, 6)]
    assert together(request_of(*found)) == [5]
    loose = decode_leniently(json.dumps(Otlp.traces(*found)).encode())
    assert together(loose) == [2, 2, 1]
