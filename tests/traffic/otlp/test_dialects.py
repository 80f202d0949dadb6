"""Every dialect of telemetry says the same in its own words; each is read to the call made."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Otlp

Json = dict[str, Any]

TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
GEN_AI_136: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.model": "gpt-5.1-2026",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "c1",
    "gen_ai.openai.response.service_tier": "flex",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 9,
}
GEN_AI_127: Json = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.model": "gpt-5.1-2026",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": ["stop"],
    "session.id": "c1",
    "gen_ai.openai.request.service_tier": "flex",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 9,
}
GEN_AI_137: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.model": "gpt-5.1-2026",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "c1",
    "openai.response.service_tier": "flex",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 9,
}
OPENLLMETRY: Json = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.model": "gpt-5.1-2026",
    "gen_ai.response.id": "r1",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Dry.",
    "traceloop.association.properties.session_id": "c1",
    "gen_ai.openai.response.service_tier": "flex",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 9,
    "llm.usage.total_tokens": 109,
}
OPENINFERENCE: Json = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.request.model_name": "gpt-5.1",
    "llm.response.model_name": "gpt-5.1-2026",
    "llm.model_name": "gpt-5.1-2026",
    "llm.finish_reason": "stop",
    "session.id": "c1",
    "gen_ai.response.id": "r1",
    "openai.response.service_tier": "flex",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 9,
    "llm.token_count.total": 109,
}
DIALECTS = {
    "semconv up to 1.27": GEN_AI_127,
    "semconv 1.36": GEN_AI_136,
    "semconv 1.37": GEN_AI_137,
    "OpenLLMetry": OPENLLMETRY,
    "OpenInference": OPENINFERENCE,
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_is_the_same_call_in_every_dialect(otlp: "Otlp", dialect: str) -> None:
    call = otlp.call(otlp.traces(otlp.span(DIALECTS[dialect])))
    said = {name: call[name] for name in EXPECTED}
    assert said == EXPECTED
    assert call["start_time"].isoformat() == "2026-09-01T08:00:01+00:00"


EXPECTED: Json = {
    "call_id": "r1",
    "conversation_id": "c1",
    "trace_id": "5b8efff798038103d269b633813fc60c",
    "span_id": "0000000000000001",
    "provider_name": "openai",
    "operation_name": "chat",
    "request_model": "gpt-5.1",
    "response_model": "gpt-5.1-2026",
    "service_tier": "flex",
    "input_tokens": 100,
    "output_tokens": 9,
    "duration_s": 2.0,
    "finish_reason": "stop",
    "error_type": None,
    "attempts": 1,
}

ANTHROPIC: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-6",
}
# Attributes, and the columns of TOKENS that they come to.
USAGES: dict[str, tuple[Json, tuple[int | None, ...]]] = {
    "1.40 counters inside the input": (
        {
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_creation.input_tokens": 300,
            "gen_ai.usage.output_tokens": 50,
        },
        (100, 600, 300, 0, 50, None),
    ),
    "1.41 reasoning inside the output": (
        {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.reasoning.output_tokens": 40,
        },
        (10, 0, 0, 0, 50, 40),
    ),
    "OpenLLMetry's names": (
        {
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.cache_read_input_tokens": 600,
            "gen_ai.usage.cache_creation_input_tokens": 300,
            "gen_ai.usage.completion_tokens": 50,
        },
        (100, 600, 300, 0, 50, None),
    ),
    "OpenInference's names": (
        {
            "llm.token_count.prompt": 1000,
            "llm.token_count.prompt_details.cache_read": 600,
            "llm.token_count.prompt_details.cache_write": 300,
            "llm.token_count.completion": 50,
            "llm.token_count.completion_details.reasoning": 5,
        },
        (100, 600, 300, 0, 50, 5),
    ),
    "counters beside the input exceed it": (
        {
            "gen_ai.usage.input_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 128_955,
            "gen_ai.usage.output_tokens": 1253,
        },
        (5, 128_955, 0, 0, 1253, None),
    ),
    "counters beside the input add up to the total": (
        {
            "gen_ai.usage.input_tokens": 900,
            "gen_ai.usage.cache_read_input_tokens": 600,
            "gen_ai.usage.output_tokens": 50,
            "llm.usage.total_tokens": 1550,
        },
        (900, 600, 0, 0, 50, None),
    ),
    "numbers as text and as doubles": (
        {
            "gen_ai.usage.input_tokens": "1000",
            "gen_ai.usage.cache_read.input_tokens": 600.0,
            "gen_ai.usage.output_tokens": "50.0",
        },
        (400, 600, 0, 0, 50, None),
    ),
    "only the output": ({"gen_ai.usage.output_tokens": 50}, (None, None, None, None, 50, None)),
    "nothing": ({}, (None,) * 6),
}


@pytest.mark.parametrize("case", USAGES)
def test_counters_become_disjoint_classes(otlp: "Otlp", case: str) -> None:
    given, expected = USAGES[case]
    call = otlp.call(otlp.traces(otlp.span(ANTHROPIC | given)))
    assert tuple(call[name] for name in TOKENS) == expected


@pytest.mark.parametrize(
    "bad", [-1, 1.5, "many", "1e400", True, ["1"], {"a": 1}, 2**63 - 1, "NaN", ""]
)
def test_a_counter_that_is_none_is_quarantined_by_its_name(otlp: "Otlp", bad: object) -> None:
    name = "gen_ai.usage.input_tokens"
    good = otlp.span(ANTHROPIC | {name: 1}, 2)
    traffic = otlp.read(otlp.traces(otlp.span(ANTHROPIC | {name: bad}), good))
    (row,) = traffic.bad_rows
    assert (row.slug, row.field, row.line) == ("calls-bad-value", name, 1)
    assert traffic.calls["span_id"].tolist() == [good["spanId"]]


@pytest.mark.parametrize("value", [7, "7", 7.0])
def test_an_integer_may_be_a_number_or_its_text(otlp: "Otlp", value: object) -> None:
    span = otlp.span(ANTHROPIC)
    span["attributes"].append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": value}})
    traffic = otlp.read(otlp.traces(span, otlp.span(ANTHROPIC, 2)))
    if isinstance(value, float):
        # OTLP has no such integer; the span is refused by place, its neighbour is read.
        (row,) = traffic.bad_rows
        assert row.field == "attributes[3].value.intValue"
    else:
        assert traffic.calls["input_tokens"].tolist()[0] == 7


ONE_OF_TWO = (
    ("gen_ai.provider.name", "gen_ai.system", "provider_name"),
    ("llm.provider", "llm.system", "provider_name"),
    ("gen_ai.request.model", "llm.model_name", "request_model"),
    ("gen_ai.conversation.id", "session.id", "conversation_id"),
)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("newer", "older", "column"), ONE_OF_TWO)
def test_of_two_names_the_newer_counts_wherever_it_stands(
    otlp: "Otlp", newer: str, older: str, column: str, *, turned: bool
) -> None:
    both = [(newer, "new"), (older, "old")]
    plain = {
        key: value
        for key, value in (ANTHROPIC | {"gen_ai.usage.input_tokens": 1}).items()
        if key not in {"gen_ai.provider.name", "gen_ai.request.model"}
    }
    call = otlp.call(otlp.traces(otlp.span(plain | dict(reversed(both) if turned else both))))
    assert call[column] == "new"


PROVIDERS = {
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "xai": "x_ai",
    "Anthropic": "anthropic",
    "AWS": "aws.bedrock",
}


@pytest.mark.parametrize("old", PROVIDERS)
def test_providers_have_the_names_of_today(otlp: "Otlp", old: str) -> None:
    given = {"gen_ai.system": old, "gen_ai.request.model": "m"}
    assert otlp.call(otlp.traces(otlp.span(given)))["provider_name"] == PROVIDERS[old]


# What a span says of itself, and whether it is a call.
ROLES: dict[str, tuple[Json, str | None]] = {
    "chat": ({"gen_ai.operation.name": "chat"}, "chat"),
    "generate_content": ({"gen_ai.operation.name": "generate_content"}, "generate_content"),
    "text_completion": ({"gen_ai.operation.name": "text_completion"}, "text_completion"),
    "embeddings": ({"gen_ai.operation.name": "embeddings"}, "embeddings"),
    "OpenInference LLM": ({"openinference.span.kind": "LLM"}, "chat"),
    "OpenInference EMBEDDING": ({"openinference.span.kind": "EMBEDDING"}, "embeddings"),
    "OpenLLMetry completion": ({"llm.request.type": "completion"}, "text_completion"),
    "OpenLLMetry embedding": ({"llm.request.type": "embedding"}, "embeddings"),
    "no operation, counted": ({"gen_ai.usage.prompt_tokens": 3}, "chat"),
    "no operation, failed": ({"gen_ai.system": "openai", "error.type": "timeout"}, "chat"),
    "invoke_agent": ({"gen_ai.operation.name": "invoke_agent"}, None),
    "create_agent": ({"gen_ai.operation.name": "create_agent"}, None),
    "execute_tool": ({"gen_ai.operation.name": "execute_tool"}, None),
    "OpenInference CHAIN": ({"openinference.span.kind": "CHAIN"}, None),
    "OpenInference AGENT": ({"openinference.span.kind": "AGENT"}, None),
    "OpenLLMetry workflow": ({"traceloop.span.kind": "workflow"}, None),
    "a model alone": ({}, None),
}


@pytest.mark.parametrize("case", ROLES)
def test_calls_are_told_from_the_spans_around_them(otlp: "Otlp", case: str) -> None:
    given, operation = ROLES[case]
    other = otlp.span({"gen_ai.operation.name": "chat"}, 9)
    rows = otlp.calls(otlp.traces(otlp.span(given | {"gen_ai.request.model": "m"}), other))
    found = [row["operation_name"] for row in rows if row["span_id"] != other["spanId"]]
    assert found == ([] if operation is None else [operation])


FIRST_TOKENS: dict[str, tuple[Json, str | None, float | None]] = {
    "1.41 attribute": ({"gen_ai.response.time_to_first_chunk": 0.25}, None, 0.25),
    "as text": ({"gen_ai.response.time_to_first_chunk": "0.25"}, None, 0.25),
    "OpenInference event": ({}, "First Token Stream Event", 0.5),
    "OpenLLMetry event": ({}, "llm.content.completion.chunk", 0.5),
    "another event": ({}, "gen_ai.choice", None),
    "negative": ({"gen_ai.response.time_to_first_chunk": -1.0}, None, None),
    "not finite": ({"gen_ai.response.time_to_first_chunk": "NaN"}, None, None),
}


@pytest.mark.parametrize("case", FIRST_TOKENS)
def test_the_time_to_the_first_token(otlp: "Otlp", case: str) -> None:
    given, event, expected = FIRST_TOKENS[case]
    events = [otlp.event(event, {}, at=1.5)] if event else []
    call = otlp.call(otlp.traces(otlp.span(ANTHROPIC | given, 1, events=events)))
    assert call["ttft_s"] == expected


ERRORS: dict[str, tuple[Json, str | None]] = {
    "error.type": ({"error.type": "timeout"}, "timeout"),
    "status by number": ({"status": {"code": 2}}, "error"),
    "status by name": ({"status": {"code": "STATUS_CODE_ERROR"}}, "error"),
    "status ok": ({"status": {"code": "STATUS_CODE_OK"}}, None),
    "status unset": ({"status": {}}, None),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_failed_call_says_why(otlp: "Otlp", case: str) -> None:
    given, expected = ERRORS[case]
    fields = {key: value for key, value in given.items() if key == "status"}
    attributes = {key: value for key, value in given.items() if key != "status"}
    span = otlp.span(ANTHROPIC | attributes, 1, **fields)
    assert otlp.call(otlp.traces(span))["error_type"] == expected


def test_an_exception_event_names_the_error(otlp: "Otlp") -> None:
    event = otlp.event("exception", {"exception.type": "RateLimitError"})
    span = otlp.span(ANTHROPIC, 1, events=[event], status={"code": 2})
    assert otlp.call(otlp.traces(span))["error_type"] == "RateLimitError"


TIMES: dict[str, tuple[object, str]] = {
    "nanoseconds as text": ("1788249600123456789", "2026-09-01T08:00:00.123456+00:00"),
    "nanoseconds as a number": (1788249600123456789, "2026-09-01T08:00:00.123456+00:00"),
    "microseconds": (1788249600123456, "2026-09-01T08:00:00.123456+00:00"),
    "milliseconds": ("1788249600123", "2026-09-01T08:00:00.123000+00:00"),
    "seconds": (1788249600, "2026-09-01T08:00:00+00:00"),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_in_the_wrong_unit_are_understood(otlp: "Otlp", case: str) -> None:
    given, expected = TIMES[case]
    span = otlp.span(ANTHROPIC, 1, startTimeUnixNano=given, endTimeUnixNano=given)
    assert otlp.call(otlp.traces(span))["start_time"].isoformat() == expected


BAD_SPANS: dict[str, tuple[Json, str, str]] = {
    "no time": ({"startTimeUnixNano": "soon"}, "calls-bad-time", "startTimeUnixNano"),
    "a time before 1970": ({"startTimeUnixNano": "-5"}, "calls-bad-time", "startTimeUnixNano"),
    "the year 9999": ({"startTimeUnixNano": "9" * 40}, "calls-bad-time", "startTimeUnixNano"),
    "ends before it starts": (
        {"endTimeUnixNano": "1000000000000000000"},
        "calls-negative-duration",
        "endTimeUnixNano",
    ),
    "events that are none": ({"events": 5}, "calls-bad-value", "events"),
    "a span id that is a list": ({"spanId": []}, "calls-bad-value", "spanId"),
}


@pytest.mark.parametrize("case", BAD_SPANS)
def test_a_bad_span_is_quarantined_alone(otlp: "Otlp", case: str) -> None:
    fields, slug, field = BAD_SPANS[case]
    spans = (otlp.span(ANTHROPIC, 1, **fields), otlp.span(ANTHROPIC, 2))
    traffic = otlp.read(otlp.traces(*spans))
    assert [(row.slug, row.field) for row in traffic.bad_rows] == [(slug, field)]
    assert traffic.calls["span_id"].tolist() == [spans[1]["spanId"]]


IDS: dict[str, tuple[Json, str, str | None]] = {
    "hexadecimal": ({}, "5b8efff798038103d269b633813fc60c", "0000000000000001"),
    "in capitals": (
        {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "00000000000000AB"},
        "5b8efff798038103d269b633813fc60c",
        "00000000000000ab",
    ),
    "base64": (
        {"traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": "AAAAAAAAAAE="},
        "5b8efff798038103d269b633813fc60c",
        "0000000000000001",
    ),
    "all zeros is none": ({"spanId": "0" * 16}, "5b8efff798038103d269b633813fc60c", None),
}


@pytest.mark.parametrize("case", IDS)
def test_ids_come_out_as_hexadecimal(otlp: "Otlp", case: str) -> None:
    fields, trace, span = IDS[case]
    call = otlp.call(otlp.traces(otlp.span(ANTHROPIC, 1, **fields)))
    assert (call["trace_id"], call["span_id"]) == (trace, span)


def test_a_parent_of_zeros_is_no_missing_parent(otlp: "Otlp") -> None:
    traffic = otlp.read(otlp.traces(otlp.span(ANTHROPIC, 1, parentSpanId="0" * 16)))
    assert traffic.joins == {}
