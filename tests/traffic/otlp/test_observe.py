"""Spans become rows as they were logged: names and types, counters, and never a content."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.spans import SPAN_COLUMNS, spans_schema
from llmops_cli.traffic.otlp.messages import ExportRequest
from llmops_cli.traffic.otlp.observe import Observer
from llmops_cli.traffic.otlp.shape import shape

MARKER = "orchid-7731"
SPAN = {
    "traceId": "a" * 32,
    "spanId": "b" * 16,
    "parentSpanId": "c" * 16,
    "name": "chat m",
    "kind": 3,
    "startTimeUnixNano": "1788249600000000000",
    "endTimeUnixNano": "1788249601500000000",
}


def pairs(**attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": value} for key, value in attributes.items()]


def text(value: str) -> dict[str, str]:
    return {"stringValue": value}


def request(*spans: dict[str, Any], logs: tuple[dict[str, Any], ...] = ()) -> ExportRequest:
    scope = {"scope": {"name": "lib", "version": "2"}, "schemaUrl": "of-scope"}
    resource = {"resource": {"attributes": pairs(service__name=text("shop"))}}
    line = {
        "resourceSpans": [
            {**resource, "schemaUrl": "of-resource", "scopeSpans": [{**scope, "spans": spans}]}
        ],
        "resourceLogs": [{**resource, "scopeLogs": [{**scope, "logRecords": logs}]}],
    }
    return msgspec.json.decode(json.dumps(line), type=ExportRequest)


def observed(*spans: dict[str, Any], logs: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    observer = Observer("log.jsonl")
    observer.add(request(*spans, logs=logs), 7)
    waiting = len(observer)
    table = observer.take()
    assert waiting == len(table)
    assert table.schema == spans_schema()
    assert len(observer) == 0
    return table.to_pylist()


def one(**attributes: dict[str, Any]) -> dict[str, Any]:
    (row,) = observed(SPAN | {"attributes": pairs(**attributes)})
    return row


def test_a_span_is_a_row_with_its_place_and_its_writer() -> None:
    row = one(gen_ai__operation__name=text("chat"))
    assert set(row) == {column.name for column in SPAN_COLUMNS}
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (
        "a" * 32,
        "b" * 16,
        "c" * 16,
    )
    assert (row["name"], row["kind"], row["status"]) == ("chat m", "client", "unset")
    assert (row["end_time"] - row["start_time"]).total_seconds() == 1.5
    assert (row["service_name"], row["scope_name"], row["scope_version"]) == ("shop", "lib", "2")
    assert row["schema_url"] == "of-scope"
    assert (row["source_file"], row["source_line"]) == ("log.jsonl", 7)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (text("x"), "string"),
        ({"intValue": "3"}, "int"),
        ({"doubleValue": 3.0}, "double"),
        ({"boolValue": False}, "boolean"),
        ({"arrayValue": {"values": [text("a"), text("b")]}}, "string[]"),
        ({"arrayValue": {"values": [text("a"), {"intValue": "1"}]}}, "any[]"),
        ({"arrayValue": {}}, "any[]"),
        ({"kvlistValue": {"values": []}}, "map"),
        ({"bytesValue": "AA=="}, "bytes"),
        ({}, "null"),
    ],
)
def test_an_attribute_is_known_by_name_and_type(value: dict[str, Any], kind: str) -> None:
    assert one(acme__thing=value)["attributes"] == f"acme.thing:{kind}"


def test_the_index_of_a_flattened_list_makes_no_new_name() -> None:
    row = one(
        llm__input_messages__0__message__role=text("user"),
        llm__input_messages__11__message__role=text("user"),
        gen_ai__version__4__1=text("x"),
    )
    assert row["attributes"].split() == [
        "gen_ai.version.N.N:string",
        "llm.input_messages.N.message.role:string",
    ]


@pytest.mark.parametrize(
    ("attributes", "role", "dialect"),
    [
        ({"gen_ai__operation__name": text("chat")}, "inference", "gen_ai"),
        ({"gen_ai__operation__name": text("execute_tool")}, "tool", "gen_ai"),
        ({"openinference__span__kind": text("LLM")}, "inference", "openinference"),
        ({"openinference__span__kind": text("CHAIN")}, "other", "openinference"),
        ({"traceloop__span__kind": text("workflow")}, "agent", "openllmetry"),
        ({"gen_ai__prompt__0__content": text("x")}, "other", "openllmetry"),
        ({"http__request__method": text("GET")}, "other", None),
    ],
)
def test_a_span_has_a_role_and_a_dialect(
    attributes: dict[str, Any], role: str, dialect: str | None
) -> None:
    row = one(**attributes)
    assert (row["role"], row["dialect"]) == (role, dialect)


def test_counters_stand_as_they_were_logged() -> None:
    row = one(
        gen_ai__usage__input_tokens={"intValue": "5"},
        gen_ai__usage__cache_read__input_tokens={"intValue": "128955"},
        gen_ai__usage__output_tokens={"intValue": "1253"},
        gen_ai__usage__reasoning__output_tokens={"intValue": "2000"},
        gen_ai__usage__total_tokens={"intValue": "130213"},
    )
    names = ("input", "cache_read", "cache_write", "output", "reasoning", "total")
    found = [row[f"logged_{name}_tokens"] for name in names]
    assert found == [5, 128955, None, 1253, 2000, 130213]


def test_a_value_that_cannot_be_read_takes_no_other_with_it() -> None:
    row = one(
        gen_ai__usage__input_tokens=text("many"),
        gen_ai__usage__output_tokens={"intValue": "3"},
    )
    assert (row["logged_input_tokens"], row["logged_output_tokens"]) == (None, 3)
    assert "gen_ai.usage.input_tokens:string" in row["attributes"].split()
    (late,) = observed(SPAN | {"startTimeUnixNano": "soon", "endTimeUnixNano": "0"})
    assert (late["start_time"], late["end_time"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(0, None), (1, "internal"), (3, "client"), ("SPAN_KIND_SERVER", "server"), (99, None)],
)
def test_span_kinds_may_be_numbers_or_names(kind: int | str, expected: str | None) -> None:
    (row,) = observed(SPAN | {"kind": kind})
    assert row["kind"] == expected


def test_a_time_to_the_first_chunk_tells_a_stream() -> None:
    assert one(gen_ai__response__time_to_first_chunk={"doubleValue": 0.5})["streaming"] is True
    assert one(gen_ai__request__stream={"boolValue": False})["streaming"] is False
    assert one()["streaming"] is None


EVALUATION = {
    "gen_ai__evaluation__name": text("relevance"),
    "gen_ai__evaluation__score__value": {"doubleValue": 0.5},
}


def test_an_evaluation_in_a_span_is_a_row_of_its_own() -> None:
    event = {"name": "gen_ai.evaluation.result", "attributes": pairs(**EVALUATION)}
    span, row = observed(SPAN | {"events": [event, {"name": "retry"}]})
    assert span["events"] == "gen_ai.evaluation.result retry"
    assert (row["role"], row["span_id"], row["service_name"]) == ("evaluation", "b" * 16, "shop")
    assert row["kind"] is None


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("gen_ai.evaluation.result", "evaluation"),
        ("gen_ai.user.message", "event"),
        ("gen_ai.client.inference.operation.details", "event"),
    ],
)
def test_events_of_the_conventions_may_be_log_records(name: str, role: str) -> None:
    record = {"timeUnixNano": SPAN["startTimeUnixNano"], "spanId": "b" * 16}
    by_name = record | {"eventName": name}
    by_attribute = record | {"attributes": pairs(event__name=text(name))}
    other = record | {"eventName": "user.login"}
    rows = observed(logs=(by_name, by_attribute, other))
    assert [(row["name"], row["role"]) for row in rows] == [(name, role)] * 2
    assert {row["span_id"] for row in rows} == {"b" * 16}
    assert rows[0]["trace_id"] is None


@pytest.mark.parametrize(
    ("span", "holds"),
    [
        ({"attributes": pairs(gen_ai__input__messages=text("[]"))}, True),
        ({"attributes": pairs(llm__output_messages__0__message__content=text("x"))}, True),
        ({"attributes": pairs(llm__output_messages__0__message__role=text("user"))}, False),
        ({"attributes": pairs(gen_ai__tool__call__arguments=text("{}"))}, True),
        ({"events": [{"name": "gen_ai.user.message", "attributes": []}]}, False),
        (
            {"events": [{"name": "gen_ai.user.message", "attributes": pairs(content=text("x"))}]},
            True,
        ),
        ({"events": [{"name": "exception", "attributes": pairs(content=text("x"))}]}, False),
        ({"attributes": pairs(gen_ai__request__model=text("m"))}, False),
    ],
)
def test_content_is_told_by_where_it_stands(span: dict[str, Any], *, holds: bool) -> None:
    (row,) = observed(SPAN | span)
    assert row["has_content"] is holds


def test_content_in_the_body_of_a_log_record_is_seen() -> None:
    record = {"eventName": "gen_ai.user.message"}
    body = {"kvlistValue": {"values": pairs(content=text("mail jo@example.com"))}}
    bare, full, plain = observed(
        logs=(record, record | {"body": body}, record | {"body": text("hello")})
    )
    assert [row["has_content"] for row in (bare, full, plain)] == [False, True, True]
    assert [row["sensitive"] for row in (bare, full, plain)] == ["", "email", ""]


def test_patterns_are_looked_for_in_every_value_but_numbers_not_in_identifiers() -> None:
    card, mail = "4111 1111 1111 1111", "jo@example.com"
    nested = {"arrayValue": {"values": [{"kvlistValue": {"values": pairs(a=text(mail))}}]}}
    assert one(note=text(f"{mail} {card}"))["sensitive"] == "email payment-card"
    assert one(deep=nested)["sensitive"] == "email"
    assert one(user__id=text(mail))["sensitive"] == "email"
    assert one(order__id=text(card))["sensitive"] == ""
    assert one(llmops__call__user_id=text(mail))["sensitive"] == ""


@given(st.sampled_from(["gen_ai.input.messages", "input.value", "note", "llm.headers"]), st.data())
def test_no_value_of_an_attribute_reaches_the_table(name: str, data: st.DataObject) -> None:
    value = data.draw(
        st.sampled_from(
            [
                text(MARKER),
                {"arrayValue": {"values": [text(MARKER)]}},
                {"kvlistValue": {"values": [{"key": "content", "value": text(MARKER)}]}},
            ]
        )
    )
    attribute = [{"key": name, "value": value}]
    events = [{"name": "gen_ai.choice", "attributes": attribute}]
    record = {"eventName": "gen_ai.choice", "body": value, "attributes": attribute}
    rows = observed(SPAN | {"attributes": attribute, "events": events}, logs=(record,))
    assert MARKER not in str(rows)


@given(st.permutations(["b.x", "a.y", "a.y", "c.0.z"]))
def test_a_shape_depends_on_names_and_types_alone(names: list[str]) -> None:
    line = SPAN | {"attributes": [{"key": name, "value": text("v")} for name in names]}
    resources = request(line).resource_spans or []
    attributes = resources[0].scope_spans[0].spans[0].attributes
    assert shape(attributes).text == "a.y:string b.x:string c.N.z:string"
