"""Telemetry by hand: spans and records as dictionaries, written as a collector writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmops_cli.traffic import Traffic, read_calls

Json = dict[str, Any]
START = 1_788_249_600 * 10**9
"""2026-09-01T08:00:00Z in nanoseconds."""
SECOND = 10**9
TRACE = "5b8efff798038103d269b633813fc60c"


def any_value(value: object) -> Json:
    """An attribute's value in OTLP's JSON: 64-bit integers are strings there."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": key_values(value)}}
    return {"stringValue": value}


def key_values(values: Json) -> list[Json]:
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


class Otlp:
    """Builders of the messages, and a reading of them through files."""

    START, SECOND, TRACE = START, SECOND, TRACE

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def span(attributes: Json, number: int = 1, **fields: Any) -> Json:  # noqa: ANN401 - JSON
        """Span ``number``, begun that many seconds after the start, two seconds long.

        ``parent`` and ``at`` (seconds) say more; any other field is taken as it is.
        """
        begun = START + int(fields.pop("at", number) * SECOND)
        parent = fields.pop("parent", 0)
        return {
            "traceId": TRACE,
            "spanId": f"{number:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": "chat",
            "kind": 3,
            "startTimeUnixNano": str(begun),
            "endTimeUnixNano": str(begun + int(fields.pop("lasts", 2) * SECOND)),
            "attributes": key_values(attributes),
            **fields,
        }

    @staticmethod
    def event(name: str, attributes: Json, at: float = 1.0) -> Json:
        return {
            "name": name,
            "timeUnixNano": str(START + int(at * SECOND)),
            "attributes": key_values(attributes),
        }

    @staticmethod
    def record(name: str, number: int = 1, body: object = None, **attributes: Any) -> Json:  # noqa: ANN401
        """A log record of span ``number``."""
        found: Json = {
            "timeUnixNano": str(START + number * SECOND),
            "eventName": name,
            "traceId": TRACE,
            "spanId": f"{number:016x}",
            "attributes": key_values(attributes),
        }
        return found | ({} if body is None else {"body": any_value(body)})

    @staticmethod
    def traces(*spans: Json, scope: str = "instrumentation") -> Json:
        return {
            "resourceSpans": [
                {
                    "resource": {"attributes": key_values({"service.name": "shop"})},
                    "scopeSpans": [
                        {"scope": {"name": scope, "version": "1"}, "spans": list(spans)}
                    ],
                }
            ]
        }

    @staticmethod
    def logs(*records: Json) -> Json:
        scope = {"scope": {"name": "instrumentation"}, "logRecords": list(records)}
        return {"resourceLogs": [{"resource": {}, "scopeLogs": [scope]}]}

    def write(self, *lines: Json, name: str = "log.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def read(self, *lines: Json, **options: Any) -> Traffic:  # noqa: ANN401 - options
        return read_calls([self.write(*lines)], **options)

    def calls(self, *lines: Json) -> list[Json]:
        """The calls as dictionaries, every row readable."""
        traffic = self.read(*lines)
        assert traffic.bad_count == 0, traffic.bad_rows
        return traffic.calls.astype(object).where(traffic.calls.notna(), None).to_dict("records")

    def call(self, *lines: Json) -> Json:
        """The only call."""
        (found,) = self.calls(*lines)
        return found


@pytest.fixture
def otlp(tmp_path: Path) -> Otlp:
    return Otlp(tmp_path)


@pytest.fixture
def chat(tmp_path: Path) -> Callable[..., list[bytes]]:
    """The block hashes of messages, tools and a system prompt as a log of the chat API has them."""

    def hashes(messages: list[Json], tools: list[Json] | None = None) -> list[bytes]:
        path = tmp_path / "chat-api.jsonl"
        request = {"model": "gpt-5.1", "messages": messages, "tools": tools}
        response = {"object": "chat.completion", "id": "c", "model": "gpt-5.1"}
        path.write_text(json.dumps({"request": request, "response": response}))
        return list(read_calls([path]).calls["block_hashes"].iloc[0])

    return hashes
