"""Telemetry of two services as the collector's file exporter writes it, with planted defects.

``orders`` is an agent with tools on the current OpenTelemetry GenAI conventions; ``support``
still writes those of 1.36, and not all of them. Names are literals here: a generator that
took them from where the reader does could not show that the reader has them right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from llmops_cli.synthetic.words import Writer

__all__ = ["CALLS", "DEFECTS", "telemetry"]

Span = dict[str, Any]

CALLS = {"orders": 60, "support": 60}
"""Calls of each service; a retried call counts once."""

DEFECTS = {
    "retried_calls": 5,
    "errors_without_type": 4,
    "streams_without_first_token": 12,
    "calls_without_usage": 6,
    "keys_in_prompts": 1,
    "spans_without_parent": 2,
}
"""What is planted in ``support``, by how often; ``retried_calls`` are no defect."""

_START = int(datetime(2026, 9, 1, 8, tzinfo=UTC).timestamp()) * 1_000_000_000
_SECOND = 1_000_000_000
_CURRENT = "https://opentelemetry.io/schemas/1.41.0"
_OLD = "https://opentelemetry.io/schemas/1.36.0"
_ERROR = {"code": 2}


@dataclass(slots=True)
class _Service:
    """One service: where its spans and ids come from."""

    draw: np.random.Generator
    write: Writer
    spans: int = 0

    def span(self, trace: int, name: str, at: int, seconds: float, **more: Any) -> Span:  # noqa: ANN401 - JSON
        self.spans += 1
        return {
            "traceId": f"{trace:032x}",
            "spanId": f"{trace * 1000 + self.spans:016x}",
            "name": name,
            "kind": 3,
            "startTimeUnixNano": str(at),
            "endTimeUnixNano": str(at + int(seconds * _SECOND)),
            "status": {},
            **more,
        }


def telemetry(seed: int) -> list[dict[str, Any]]:
    """The lines of the file, a few spans each."""
    draw = np.random.default_rng(seed)
    write = Writer(draw)
    orders = list(_orders(_Service(draw, write)))
    support = list(_support(_Service(draw, write)))
    return [
        *_lines("orders", "opentelemetry.instrumentation.genai.anthropic", _CURRENT, orders),
        *_lines("support", "opentelemetry.instrumentation.openai_v2", _OLD, support),
    ]


def _lines(service: str, library: str, schema: str, spans: list[Span]) -> Iterator[dict[str, Any]]:
    for begin in range(0, len(spans), 20):
        scope = {"name": library, "version": "1.3b0" if schema == _CURRENT else "2.1b0"}
        yield {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes({"service.name": service})},
                    "scopeSpans": [
                        {
                            "scope": scope,
                            "spans": spans[begin : begin + 20],
                            "schemaUrl": schema,
                        }
                    ],
                    "schemaUrl": schema,
                }
            ]
        }


def _orders(service: _Service) -> Iterator[Span]:
    """Twelve runs of an agent: five calls each, tools between them, one cache written and read."""
    for run in range(12):
        trace, at = run + 1, _START + run * 300 * _SECOND
        common = {"gen_ai.agent.name": "orders", "gen_ai.conversation.id": f"order-{run:02d}"}
        agent = service.span(trace, "invoke_agent orders", at, 60.0, kind=1)
        agent["attributes"] = _attributes(
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "anthropic", **common}
        )
        yield agent
        cached = 0
        for turn in range(5):
            start = at + turn * 10 * _SECOND
            first, whole = float(service.draw.uniform(0.4, 1.2)), 2.5
            written = 2100 if turn == 0 else 240
            call = service.span(
                trace, "chat claude-sonnet-4-6", start, whole, parentSpanId=agent["spanId"]
            )
            call["attributes"] = _attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.request.model": "claude-sonnet-4-6",
                    "gen_ai.request.max_tokens": 1024,
                    "gen_ai.request.stream": True,
                    "gen_ai.response.model": "claude-sonnet-4-6",
                    "gen_ai.response.id": f"msg_{run:02d}{turn}",
                    "gen_ai.response.finish_reasons": ["end_turn" if turn == 4 else "tool_use"],  # noqa: PLR2004 - the last
                    "gen_ai.response.time_to_first_chunk": round(first, 3),
                    # By the conventions the counter includes what was read and written.
                    "gen_ai.usage.input_tokens": cached + written + 40,
                    "gen_ai.usage.cache_read.input_tokens": cached,
                    "gen_ai.usage.cache_creation.input_tokens": written,
                    "gen_ai.usage.output_tokens": int(service.draw.integers(60, 200)),
                    "server.address": "api.anthropic.com",
                    "server.port": 443,
                    "user.id": f"u{run % 5}",
                    **common,
                }
            )
            yield call
            cached += written
            tool = service.span(
                trace,
                "execute_tool look_up",
                start + 3 * _SECOND,
                0.2,
                parentSpanId=agent["spanId"],
            )
            tool["kind"] = 1
            tool["attributes"] = _attributes(
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "look_up",
                    "gen_ai.tool.type": "function",
                    "gen_ai.tool.call.id": f"toolu_{run:02d}{turn}",
                    **common,
                }
            )
            yield tool


def _support(service: _Service) -> Iterator[Span]:
    """Sixty calls, each in a request of its own; what is planted comes one kind after another."""
    kinds = [kind for kind, count in DEFECTS.items() for _ in range(count)]
    for number in range(CALLS["support"]):
        kind = kinds[number] if number < len(kinds) else ""
        trace, at = 1000 + number, _START + number * 40 * _SECOND
        request = service.span(trace, "POST /answer", at, 8.0)
        request["kind"] = 2
        request["attributes"] = _attributes({"http.request.method": "POST"})
        if kind == "spans_without_parent":
            parent = f"{trace * 1000 + 999:016x}"
        else:
            parent = request["spanId"]
            yield request
        call = _support_call(service, trace, at + _SECOND, kind, number)
        if kind == "retried_calls":
            failed = {**call, "spanId": f"{trace * 1000 + 998:016x}", "parentSpanId": parent}
            failed["startTimeUnixNano"] = str(at)
            failed["endTimeUnixNano"] = str(at + _SECOND // 2)
            failed["status"] = _ERROR
            failed["attributes"] = [
                item
                for item in call["attributes"]
                if not item["key"].startswith(("gen_ai.usage", "gen_ai.response"))
            ] + _attributes({"error.type": "RateLimitError"})
            yield failed
        yield call | {"parentSpanId": parent}


def _support_call(service: _Service, trace: int, at: int, kind: str, number: int) -> Span:
    call = service.span(trace, "chat gpt-5.1", at, float(service.draw.uniform(1, 4)))
    question = service.write.sentences(3)
    if kind == "keys_in_prompts":
        question += " My key is sk-proj-" + "0123456789abcdefghij" + "ABCDEFGHIJ."
    values: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-5.1",
        "gen_ai.response.model": "gpt-5.1-2025-11-13",
        "gen_ai.response.id": f"chatcmpl-{number:03d}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 400 + len(question) // 4,
        "gen_ai.usage.output_tokens": int(service.draw.integers(40, 160)),
        "server.address": "api.openai.com",
    }
    if kind == "streams_without_first_token":
        values["gen_ai.request.stream"] = True
    failed = kind == "errors_without_type"
    if kind == "calls_without_usage" or failed:
        values = {key: value for key, value in values.items() if "usage" not in key}
    if failed:
        values = {key: value for key, value in values.items() if "response" not in key}
        call["status"] = _ERROR
    call["attributes"] = _attributes(values)
    call["events"] = [
        {
            "name": "gen_ai.user.message",
            "timeUnixNano": str(at),
            "attributes": _attributes({"gen_ai.system": "openai", "content": question}),
        }
    ]
    return call


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}
