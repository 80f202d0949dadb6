"""Older telemetry upgraded: what is renamed, what stays, and that it still reads the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic import Options, Reading
from llmops_cli.traffic.otlp.names import KNOWN
from llmops_cli.traffic.otlp.renames import SUCCESSORS
from llmops_cli.traffic.otlp.upgrade import Upgrade, counted_outside, upgraded
from llmops_cli.traffic.otlp.writer import export_lines
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import TOO_LONG, lines

START = 1_788_264_000_000_000_000
FIXTURES = Path(__file__).parents[2] / "fixtures" / "otlp"

Attributes = dict[str, Any]


def value(plain: object) -> dict[str, Any]:
    match plain:
        case bool():
            return {"boolValue": plain}
        case int():
            return {"intValue": str(plain)}
        case float():
            return {"doubleValue": plain}
        case list():
            return {"arrayValue": {"values": [value(item) for item in plain]}}
        case dict():
            return {"kvlistValue": {"values": pairs(plain)}}
        case _:
            return {"stringValue": plain}


def pairs(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def span(attributes: Attributes, at: int = 1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "traceId": f"{at:032x}",
        "spanId": f"{at:016x}",
        "name": "call",
        "startTimeUnixNano": str(START + at * 10**9),
        "endTimeUnixNano": str(START + at * 10**9 + 5 * 10**8),
        "attributes": pairs(attributes),
        **fields,
    }


def event(name: str, attributes: Attributes) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": str(START), "attributes": pairs(attributes)}


def export(*spans: dict[str, Any], scope: str = "library", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    scoped = {"scope": {"name": scope, "version": "1"}, "spans": list(spans), **fields}
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [scoped]}]}


def records(*found: dict[str, Any]) -> dict[str, Any]:
    return {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "x"}, "logRecords": list(found)}]}]}


def encoded(*exports: object) -> list[tuple[int, bytes]]:
    return [(at, json.dumps(line).encode()) for at, line in enumerate(exports, 1)]


def upgrade(*exports: object, keep_content: bool = False) -> tuple[list[dict[str, Any]], Upgrade]:
    how = Upgrade(keep_content=keep_content, outside=counted_outside(encoded(*exports)))
    return [json.loads(line) for line in upgraded(encoded(*exports), how)], how


def spans_of(exports: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in exports:
        for resource in line.get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def plain(attributes: list[dict[str, Any]]) -> Attributes:
    def one(item: dict[str, Any]) -> object:
        ((kind, inner),) = item.items()
        if kind == "arrayValue":
            return [one(each) for each in inner["values"]]
        return int(inner) if kind == "intValue" else inner

    return {pair["key"]: one(pair["value"]) for pair in attributes}


def after(attributes: Attributes, *, keep_content: bool = False, **fields: Any) -> Attributes:  # noqa: ANN401
    """The attributes of one span, upgraded."""
    found, _ = upgrade(export(span(attributes, **fields)), keep_content=keep_content)
    (only,) = spans_of(found)
    return plain(only["attributes"])


OLD = {
    "gen_ai.system": "az.ai.openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 20,
    "gen_ai.usage.completion_tokens": 5,
    "gen_ai.openai.request.seed": 7,
    "gen_ai.openai.request.service_tier": "auto",
    "gen_ai.openai.response.service_tier": "default",
    "gen_ai.openai.response.system_fingerprint": "fp",
    "gen_ai.openai.request.response_format": "text",
}
NEW = {
    "gen_ai.provider.name": "azure.ai.openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.request.seed": 7,
    "openai.request.service_tier": "auto",
    "openai.response.service_tier": "default",
    "openai.response.system_fingerprint": "fp",
    "gen_ai.output.type": "text",
}

OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "anthropic",
    "llm.system": "anthropic",
    "llm.model_name": "claude-sonnet-4-5",
    "llm.token_count.prompt": 1300,
    "llm.token_count.completion": 40,
    "llm.token_count.total": 1340,
    "llm.token_count.prompt_details.cache_read": 1000,
    "llm.token_count.prompt_details.cache_write": 200,
    "llm.invocation_parameters": '{"temperature": 0}',
    "session.id": "s1",
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "Anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.prompt_tokens": "1300",
    "gen_ai.usage.completion_tokens": 40.0,
    "llm.usage.total_tokens": 1340,
    "gen_ai.usage.cache_read_input_tokens": 1000,
    "gen_ai.usage.cache_creation_input_tokens": 200,
    "llm.is_streaming": "true",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.completion.0.role": "assistant",
    "traceloop.workflow.name": "triage",
    "traceloop.association.properties.session_id": "s1",
}
CURRENT_COUNTERS = {
    "gen_ai.usage.input_tokens": 1300,
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.usage.cache_read.input_tokens": 1000,
    "gen_ai.usage.cache_creation.input_tokens": 200,
}


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (OLD, NEW),
        (
            OPENINFERENCE,
            {
                "gen_ai.provider.name": "anthropic",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "claude-sonnet-4-5",
                **CURRENT_COUNTERS,
                # Nobody renamed these, or they mean something outside of this dialect too.
                "llm.token_count.total": 1340,
                "llm.invocation_parameters": '{"temperature": 0}',
                "session.id": "s1",
                "gen_ai.conversation.id": "s1",
            },
        ),
        (
            OPENLLMETRY,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                **CURRENT_COUNTERS,
                "llm.usage.total_tokens": 1340,
                "gen_ai.request.stream": True,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.workflow.name": "triage",
                "gen_ai.conversation.id": "s1",
            },
        ),
    ],
)
def test_every_dialect_reaches_the_current_names_and_types(
    before: Attributes, wanted: Attributes
) -> None:
    assert after(before) == wanted


@pytest.mark.parametrize("before", [OLD, OPENINFERENCE, OPENLLMETRY])
def test_what_was_renamed_is_counted(before: Attributes) -> None:
    _, how = upgrade(export(span(before), span(before, 2)))
    assert set(how.renamed.values()) == {2}
    assert {old for old, _ in how.renamed} == set(before) & set(SUCCESSORS)


@pytest.mark.parametrize("version", ["v1.36.0", "v1.37.0", "v1.41.1"])
def test_every_name_the_conventions_renamed_has_the_same_successor_here(
    version: str, public_data: Path
) -> None:
    path = public_data / "semconv" / version / "deprecated" / "registry-deprecated.yaml"
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    wanted = {
        attribute["id"]: attribute["deprecated"]["renamed_to"]
        for group in groups
        for attribute in group["attributes"]
        if attribute.get("deprecated", {}).get("renamed_to", "").startswith(("gen_ai.", "openai."))
    }
    assert wanted
    assert {name: SUCCESSORS[name][0] for name in wanted} == wanted


def test_every_other_name_of_a_column_becomes_its_current_one() -> None:
    current = {column: name for name, (column, _, place) in KNOWN.items() if not place}
    own = {"openai.request.service_tier", "gen_ai.openai.request.service_tier"}
    for name, (column, _, place) in KNOWN.items():
        if name in SUCCESSORS and name not in own:
            assert SUCCESSORS[name][0] == current[column]
        elif place:
            # No name of the conventions' means what these say.
            assert column in {"total", "span_kind", "service_tier", "asked_model"}


def test_no_current_name_has_a_successor() -> None:
    assert {to for to, _ in SUCCESSORS.values()}.isdisjoint(SUCCESSORS)


@pytest.mark.parametrize(
    ("system", "provider"),
    [
        ("az.ai.inference", "azure.ai.inference"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("gemini", "gcp.gemini"),
        ("xai", "x_ai"),
        ("OpenAI", "openai"),
        ("aws.bedrock", "aws.bedrock"),
        ("my gateway", "my gateway"),
    ],
)
@pytest.mark.parametrize("name", ["gen_ai.system", "gen_ai.provider.name"])
def test_providers_have_their_current_names(name: str, system: str, provider: str) -> None:
    found = after({name: system, "gen_ai.operation.name": "chat"})
    assert found == {"gen_ai.provider.name": provider, "gen_ai.operation.name": "chat"}


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"openinference.span.kind": "EMBEDDING"}, {"gen_ai.operation.name": "embeddings"}),
        ({"openinference.span.kind": "RETRIEVER"}, {"gen_ai.operation.name": "retrieval"}),
        (
            {"openinference.span.kind": "TOOL", "tool.name": "find"},
            {
                "gen_ai.operation.name": "execute_tool",
                "tool.name": "find",
                "gen_ai.tool.name": "find",
            },
        ),
        (
            {"traceloop.span.kind": "agent", "traceloop.entity.name": "helper"},
            {
                "traceloop.entity.name": "helper",
                "gen_ai.agent.name": "helper",
                "gen_ai.operation.name": "invoke_agent",
            },
        ),
        (
            {"traceloop.span.kind": "workflow", "traceloop.entity.name": "triage"},
            {
                "traceloop.entity.name": "triage",
                "gen_ai.workflow.name": "triage",
                "gen_ai.operation.name": "invoke_workflow",
            },
        ),
        (
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "find"},
            {
                "traceloop.entity.name": "find",
                "gen_ai.tool.name": "find",
                "gen_ai.operation.name": "execute_tool",
            },
        ),
        # The conventions have no operation for these: the kind stays.
        ({"openinference.span.kind": "CHAIN"}, {"openinference.span.kind": "CHAIN"}),
        ({"traceloop.span.kind": "task"}, {"traceloop.span.kind": "task"}),
        # The oldest conventions had no operation at all.
        (
            {"gen_ai.request.model": "gpt-4", "gen_ai.usage.prompt_tokens": 5},
            {
                "gen_ai.request.model": "gpt-4",
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.operation.name": "chat",
            },
        ),
    ],
)
def test_kinds_of_spans_become_operations(attributes: Attributes, wanted: Attributes) -> None:
    assert after(attributes) == wanted


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        # The current name counts, as it does in a reading.
        (
            {"gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2},
            {"gen_ai.usage.input_tokens": 2},
        ),
        # Of several old names the one that a reading prefers.
        (
            {"llm.token_count.prompt": 1, "gen_ai.usage.prompt_tokens": 2},
            {"gen_ai.usage.input_tokens": 2},
        ),
        # A current name that says nothing gives way.
        (
            {"gen_ai.request.stream": [1], "llm.is_streaming": True},
            {"gen_ai.request.stream": True},
        ),
        # What cannot be read stays as it is.
        ({"gen_ai.system": ["a"]}, {"gen_ai.system": ["a"]}),
        ({"gen_ai.usage.prompt_tokens": "many"}, {"gen_ai.usage.input_tokens": "many"}),
    ],
)
def test_names_side_by_side(attributes: Attributes, wanted: Attributes) -> None:
    # With an operation that is no call, nothing else is added.
    shared = {"gen_ai.operation.name": "other"}
    assert after(attributes | shared) == wanted | shared


def test_the_current_name_counts_wherever_it_stands_among_old_ones(tmp_path: Path) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "llm.system": "a",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "b",
    }
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(export(span(attributes))) + "\n", encoding="utf-8")
    assert read(path)[0]["provider_name"].to_pylist() == ["openai"]
    assert after(attributes)["gen_ai.provider.name"] == "openai"


EXCLUSIVE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 5,
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.usage.cache_read.input_tokens": 128_955,
    "gen_ai.usage.cache_creation.input_tokens": 1253,
}
DOUBTFUL = EXCLUSIVE | {"gen_ai.usage.input_tokens": 900_000}


def test_cached_tokens_beside_the_counter_are_counted_inside_it() -> None:
    assert after(EXCLUSIVE) == EXCLUSIVE | {"gen_ai.usage.input_tokens": 130_213}


def test_a_counter_that_may_include_them_stays() -> None:
    assert after(DOUBTFUL) == DOUBTFUL


def test_one_proof_decides_the_doubtful_spans_of_the_same_library_wherever_they_stand() -> None:
    log = (export(span(DOUBTFUL)), export(span(EXCLUSIVE, 2)), export(span(DOUBTFUL, 3), scope="b"))
    found, _ = upgrade(*log)
    assert [plain(item["attributes"])["gen_ai.usage.input_tokens"] for item in spans_of(found)] == [
        900_000 + 130_208,
        130_213,
        900_000,  # another library may count otherwise
    ]


def test_what_we_wrote_ourselves_is_current(datasets: Path) -> None:
    calls = pa.concat_tables(list(Reading([datasets / "rag.jsonl.gz"]).tables()))
    ours = list(export_lines([calls]))
    assert list(upgraded(enumerate(ours, 1), Upgrade())) == ours


HTTP = {"http.request.method": "POST", "session.id": "s1", "url.full": "https://api.example.org"}


def test_spans_of_others_stay_as_they_are() -> None:
    log = export(
        span(HTTP, kind=3, flags=257, links=[], droppedAttributesCount=1, traceState="a=b"),
        span({}, 2, status={"code": 2, "message": "x"}),
        schemaUrl="https://opentelemetry.io/schemas/1.21.0",
    )
    assert upgrade(log)[0] == [log]


def test_metrics_and_unknown_records_stay_as_they_are() -> None:
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m"}]}]}]}
    log = records({"body": {"stringValue": "hello"}, "attributes": pairs({"a": 1})})
    assert upgrade(metrics, log)[0] == [metrics, log]


def test_unknown_fields_and_attributes_of_upgraded_spans_stay() -> None:
    found, _ = upgrade(export(span(OLD | {"my.own": 1.5, "other": [True]}, flags=257)))
    (only,) = spans_of(found)
    assert only["flags"] == 257
    assert plain(only["attributes"]) == NEW | {"my.own": 1.5, "other": [True]}


@pytest.mark.parametrize(
    ("given_url", "wanted"),
    [
        (None, "https://opentelemetry.io/schemas/1.41.1"),
        ("https://opentelemetry.io/schemas/1.28.0", "https://opentelemetry.io/schemas/1.41.1"),
        ("https://opentelemetry.io/schemas/1.43.0", "https://opentelemetry.io/schemas/1.43.0"),
        ("https://example.org/mine/1", "https://example.org/mine/1"),
    ],
)
def test_the_schema_says_the_current_conventions(given_url: str | None, wanted: str) -> None:
    fields = {} if given_url is None else {"schemaUrl": given_url}
    (line,), _ = upgrade(export(span(OLD), **fields))
    assert line["resourceSpans"][0]["scopeSpans"][0]["schemaUrl"] == wanted


SECRET = "the launch code"  # noqa: S105 - as a prompt may hold
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": SECRET}]}])
CONTENT: list[tuple[Attributes, list[dict[str, Any]]]] = [
    ({"gen_ai.prompt": json.dumps([{"role": "user", "content": SECRET}])}, []),
    ({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": SECRET}, []),
    (
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": SECRET,
        },
        [],
    ),
    ({}, [event("gen_ai.user.message", {"content": SECRET})]),
    ({}, [event("gen_ai.content.prompt", {"gen_ai.prompt": SECRET})]),
    ({"gen_ai.input.messages": MESSAGES}, []),
]
MORE_CONTENT: list[tuple[Attributes, list[dict[str, Any]]]] = [
    ({"gen_ai.output.messages": SECRET, "input.value": SECRET, "output.value": SECRET}, []),
    ({"llm.tools.0.tool.json_schema": SECRET, "llm.request.functions.0.name": SECRET}, []),
    ({"gen_ai.completion": SECRET, "gen_ai.completion.0.content": SECRET}, []),
    ({"llm.output_messages.0.message.content": SECRET}, []),
    ({"gen_ai.tool.call.arguments": SECRET, "gen_ai.tool.call.result": SECRET}, []),
    ({"traceloop.entity.input": SECRET, "traceloop.entity.output": SECRET}, []),
    ({"retrieval.documents.0.document.content": SECRET}, []),
    ({"llm.prompt_template.variables": SECRET}, []),
    ({}, [event("gen_ai.choice", {"message": SECRET})]),
    ({}, [event("gen_ai.evaluation.result", {"gen_ai.evaluation.explanation": SECRET})]),
    ({}, [event("gen_ai.client.inference.operation.details", {"gen_ai.prompt": SECRET})]),
]
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.system": "openai"}


@pytest.mark.parametrize(("attributes", "events"), CONTENT + MORE_CONTENT)
@pytest.mark.parametrize(
    "broken", [{}, {"kind": [1]}, {"name": 7}], ids=["readable", "bad kind", "bad name"]
)
def test_no_content_is_left_unless_it_is_asked_for(
    attributes: Attributes, events: list[dict[str, Any]], broken: dict[str, Any]
) -> None:
    found, _ = upgrade(export(span(CALL | attributes, events=events, **broken)))
    assert len(list(spans_of(found))) == 1
    assert SECRET not in json.dumps(found)


@pytest.mark.parametrize(("attributes", "events"), CONTENT)
def test_prompts_are_carried_into_the_current_attribute(
    attributes: Attributes, events: list[dict[str, Any]], public_data: Path
) -> None:
    found = after(CALL | attributes, keep_content=True, events=events)
    (message,) = json.loads(found["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    path = public_data / "semconv" / "v1.41.1" / "gen-ai-input-messages.json"
    jsonschema.validate([message], json.loads(path.read_text(encoding="utf-8")))
    assert not any(key.startswith(("gen_ai.prompt", "llm.input_messages")) for key in found)


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        (
            {
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": SECRET,
                "gen_ai.completion.0.finish_reason": "stop",
            },
            [],
        ),
        (
            {
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": SECRET,
                "llm.finish_reason": "stop",
            },
            [],
        ),
        (
            {},
            [
                event(
                    "gen_ai.choice",
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"content": SECRET, "role": "assistant"},
                    },
                )
            ],
        ),
        (
            {},
            [
                event(
                    "gen_ai.choice",
                    {"finish_reason": "stop", "message": f'{{"content":"{SECRET}"}}'},
                )
            ],
        ),
    ],
)
def test_answers_are_carried_into_the_current_attribute(
    attributes: Attributes, events: list[dict[str, Any]], public_data: Path
) -> None:
    found, _ = upgrade(export(span(CALL | attributes, events=events)), keep_content=True)
    (only,) = spans_of(found)
    answers = json.loads(plain(only["attributes"])["gen_ai.output.messages"])
    text = {"type": "text", "content": SECRET}
    assert answers == [{"role": "assistant", "parts": [text], "finish_reason": "stop"}]
    assert only["events"] == []
    path = public_data / "semconv" / "v1.41.1" / "gen-ai-output-messages.json"
    jsonschema.validate(answers, json.loads(path.read_text(encoding="utf-8")))


def test_content_that_cannot_be_carried_over_is_not_lost_where_it_is_kept() -> None:
    attributes = {"gen_ai.completion": SECRET, "input.value": SECRET, "gen_ai.system": "x"}
    told = event("gen_ai.user.message", {"content": SECRET})
    found, _ = upgrade(export(span(attributes, events=[told])), keep_content=True)
    assert json.dumps(found).count(SECRET) == 3


def record(name: str, body: object, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "timeUnixNano": str(START),
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "eventName": name,
        "body": value(body),
        "attributes": pairs({"gen_ai.system": "openai"}),
        **fields,
    }


def logged(exports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        item
        for line in exports
        for resource in line.get("resourceLogs", [])
        for scope in resource["scopeLogs"]
        for item in scope["logRecords"]
    ]


MESSAGE_RECORDS = [
    ("gen_ai.system.message", {"content": SECRET}, "gen_ai.input.messages"),
    ("gen_ai.user.message", {"content": SECRET}, "gen_ai.input.messages"),
    ("gen_ai.tool.message", {"content": SECRET, "id": "c1"}, "gen_ai.input.messages"),
    (
        "gen_ai.choice",
        {"index": 0, "finish_reason": "stop", "message": {"content": SECRET}},
        "gen_ai.output.messages",
    ),
]


@pytest.mark.parametrize(("name", "body", "attribute"), MESSAGE_RECORDS)
@pytest.mark.parametrize("named", ["field", "attribute"])
def test_an_event_per_message_becomes_the_event_that_holds_content_now(
    name: str, body: object, attribute: str, named: str
) -> None:
    told = record(name, body)
    if named == "attribute":
        del told["eventName"]
        told["attributes"] += pairs({"event.name": name})
    (found,) = logged(upgrade(records(told), keep_content=True)[0])
    said = plain(found["attributes"])
    assert found["eventName"] == "gen_ai.client.inference.operation.details"
    assert "body" not in found
    assert said.keys() == {"gen_ai.provider.name", attribute}
    assert SECRET in said[attribute]


@pytest.mark.parametrize(("name", "body", "attribute"), MESSAGE_RECORDS)
def test_an_event_that_is_nothing_but_content_is_left_out(
    name: str, body: object, attribute: str
) -> None:
    evaluation = record("gen_ai.evaluation.result", {"why": SECRET})
    found, _ = upgrade(records(record(name, body), evaluation))
    assert [item["eventName"] for item in logged(found)] == ["gen_ai.evaluation.result"]
    assert SECRET not in json.dumps(found)
    assert attribute not in json.dumps(found)


@pytest.mark.parametrize(
    ("raw", "slug"),
    [
        (b"{", "traffic-not-json"),
        (b"\xff", "traffic-not-json"),
        (b"[" * 100_000, "traffic-not-json"),
        (b"[1]", "traffic-unknown-format"),
        (b'{"request": {}}', "traffic-unknown-format"),
        (TOO_LONG, "traffic-line-too-long"),
    ],
)
def test_a_line_that_is_no_telemetry_is_named_and_the_others_are_upgraded(
    raw: bytes, slug: str
) -> None:
    how = Upgrade(file="log.jsonl")
    good = json.dumps(export(span(OLD))).encode()
    found = [json.loads(line) for line in upgraded([(1, good), (2, raw), (3, good)], how)]
    assert [plain(item["attributes"]) for item in spans_of(found)] == [NEW, NEW]
    assert [(row.file, row.line, row.slug) for row in how.bad] == [("log.jsonl", 2, slug)]
    assert counted_outside([(1, raw + b"cache")]) == frozenset()


SHAPES = [
    *("resourceSpans", "scopeSpans", "scope", "spans", "attributes", "key", "value", "events"),
    *("name", "stringValue", "intValue", "resourceLogs", "scopeLogs", "logRecords", "body"),
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(SHAPES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(inside=anything, where=st.sampled_from(["resource", "scope", "span", "pairs", "pair"]))
def test_no_shape_is_a_traceback_and_no_span_is_lost(inside: object, where: str) -> None:
    broken = span(OLD)
    if where == "pairs":
        broken["attributes"] = inside
    if where == "pair":
        broken["attributes"] = [*broken["attributes"], inside]
    line: dict[str, Any] = export(inside if where == "span" else broken)
    if where == "scope":
        line["resourceSpans"][0]["scopeSpans"] = [inside]
    if where == "resource":
        line["resourceSpans"] = inside
    for keep_content in (True, False):
        found, how = upgrade(line, keep_content=keep_content)
        assert len(found) == 1
        assert how.bad == []
        assert json.dumps(found).count("spanId") == json.dumps(line).count("spanId")


def read(path: Path) -> tuple[pa.Table, Reading]:
    reading = Reading([path], Options())
    return pa.concat_tables(list(reading.tables())), reading


def written(path: Path, out: Path, *, keep_content: bool) -> Path:
    source = Source(str(path))
    how = Upgrade(keep_content=keep_content, outside=counted_outside(lines(source)))
    out.write_bytes(b"".join(upgraded(lines(source), how)))
    assert how.bad == []
    return out


RECORDED = sorted(path.name for path in FIXTURES.glob("*.jsonl"))
BLOCKS = {"block_hashes", "block_tokens", "block_kinds", "block_markers"}
TOOL_TURNS_TOLD_TWICE = {
    "anthropic-openinference-content.jsonl",
    "anthropic-openllmetry-0.40-content.jsonl",
}
"""These hold a tool call both as a part and as a call, or in Anthropic's own words inside a
flattened attribute; the upgraded log holds it once, in the conventions' words."""


def test_recorded_telemetry_is_there() -> None:
    assert len(RECORDED) >= 10


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_telemetry_reads_the_same_before_and_after(name: str, tmp_path: Path) -> None:
    before, old = read(FIXTURES / name)
    after_it, new = read(written(FIXTURES / name, tmp_path / "new.jsonl", keep_content=True))
    apart = {"source_file"} | (BLOCKS if name in TOOL_TURNS_TOLD_TWICE else set[str]())
    names = [column for column in before.schema.names if column not in apart]
    assert after_it.select(names).equals(before.select(names))
    assert len(new.quarantine.rows) == len(old.quarantine.rows)


@pytest.mark.parametrize("name", [name for name in RECORDED if "content" not in name])
def test_recorded_telemetry_without_content_reads_the_same_when_none_is_kept(
    name: str, tmp_path: Path
) -> None:
    before, _ = read(FIXTURES / name)
    after_it, _ = read(written(FIXTURES / name, tmp_path / "new.jsonl", keep_content=False))
    apart = {"source_file"} | (BLOCKS if name.endswith("-events.jsonl") else set[str]())
    names = [column for column in before.schema.names if column not in apart]
    assert after_it.select(names).equals(before.select(names))


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("keep_content", [True, False])
def test_upgrading_recorded_telemetry_again_changes_nothing(
    name: str, tmp_path: Path, *, keep_content: bool
) -> None:
    once = written(FIXTURES / name, tmp_path / "once.jsonl", keep_content=keep_content)
    twice = written(once, tmp_path / "twice.jsonl", keep_content=keep_content)
    assert twice.read_bytes() == once.read_bytes()


counters = st.integers(0, 3000)
dialects = st.sampled_from([OLD, OPENINFERENCE, OPENLLMETRY, EXCLUSIVE, DOUBTFUL, HTTP])


@st.composite
def telemetry(draw: st.DrawFn) -> dict[str, Any]:
    """A span of any dialect, some of its attributes changed, missing, or joined by others'."""
    attributes = {**draw(dialects)}
    names = draw(st.lists(st.sampled_from(sorted(KNOWN)), max_size=6, unique=True))
    for name in names:
        # A reading prefers by name, whichever is there: mix them freely.
        attributes[name] = draw(
            counters | st.sampled_from(["chat", "LLM", "tool", "agent", "x", "5", 0.5, True, []])
        )
    for name in draw(st.lists(st.sampled_from(sorted(attributes)), max_size=3)):
        attributes.pop(name, None)
    order = draw(st.permutations(sorted(attributes)))
    prompt, events = draw(st.sampled_from([({}, []), *CONTENT]))
    return {
        "attributes": {name: attributes[name] for name in order} | prompt,
        "events": events,
        "parent": draw(st.integers(0, 6)),
        "scope": draw(st.sampled_from(["a", "b"])),
    }


@pytest.mark.slow
@given(found=st.lists(telemetry(), min_size=1, max_size=6))
def test_any_telemetry_reads_the_same_before_and_after_and_needs_no_second_upgrade(
    tmp_path_factory: pytest.TempPathFactory, found: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    old = folder / "old.jsonl"
    exports = [
        export(
            span(
                {key: item for key, item in told["attributes"].items() if key != "llmops.call"},
                at,
                events=told["events"],
                traceId=f"{1:032x}",
                parentSpanId=f"{told['parent']:016x}" if told["parent"] else "",
            ),
            scope=told["scope"],
        )
        for at, told in enumerate(found, 1)
    ]
    call = export(span(CALL, 99))
    old.write_text("".join(json.dumps(line) + "\n" for line in [*exports, call]), encoding="utf-8")
    new = written(old, folder / "new.jsonl", keep_content=True)
    before, reading = read(old)
    after_it, again = read(new)
    apart = {"source_file"}
    if "cached-tokens-outside" in reading.joins:
        # Blocks are weighed before another span proves how the counter is meant.
        apart.add("block_tokens")
    names = [name for name in before.schema.names if name not in apart]
    assert after_it.select(names).to_pylist() == before.select(names).to_pylist()
    assert len(again.quarantine.rows) == len(reading.quarantine.rows)
    once = new.read_bytes()
    assert written(new, folder / "twice.jsonl", keep_content=True).read_bytes() == once
