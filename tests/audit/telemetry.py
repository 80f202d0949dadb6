"""A span log without a fault at the newest conventions, and a log of calls; to be spoilt."""

import json
from copy import deepcopy
from typing import Any

Span = dict[str, Any]

SCHEMA = "https://opentelemetry.io/schemas/1.41.1"
SECOND = 10**9
START = 1_788_249_600 * SECOND

COMMON = {
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-x",
    "server.address": "api.example.com",
    "server.port": 443,
    "user.id": "u1",
}


def span(operation: str, at: float, **more: Any) -> Span:  # noqa: ANN401 - JSON
    return {
        "kind": 3,
        "start": START + round(at * SECOND),
        "end": START + round((at + 1) * SECOND),
        "attributes": {"gen_ai.operation.name": operation, **more.pop("attributes", {})},
        "events": [],
        "status": 0,
        "service": "shop",
        "library": "acme.genai",
        "schema": SCHEMA,
        **more,
    }


def chat(at: float, conversation: str, answer: str, **more: Any) -> Span:  # noqa: ANN401 - JSON
    attributes = {
        **COMMON,
        "gen_ai.conversation.id": conversation,
        "gen_ai.response.id": answer,
        "gen_ai.response.model": "claude-x-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.temperature": 0.5,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        **more.pop("attributes", {}),
    }
    return span("chat", at, name="chat claude-x", attributes=attributes, **more)


def one_trace(number: int) -> dict[str, Span]:
    """A workflow around an agent that calls a model, a tool, a retriever, an embedder."""
    at, conversation, answer = 60.0 * number, f"c{number}", f"msg{number}"
    stream = {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25}
    failed = {k: v for k, v in chat(0, conversation, "")["attributes"].items() if "usage" not in k}
    for name in ("id", "model", "finish_reasons"):
        del failed[f"gen_ai.response.{name}"]
    score = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.5}
    agent = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.agent.name": "clerk",
        "gen_ai.conversation.id": conversation,
    }
    tool = {"gen_ai.tool.name": "stock", "gen_ai.tool.call.id": f"call{number}"}
    embedding = {
        **COMMON,
        "gen_ai.response.model": "claude-x-2026",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.embeddings.dimension.count": 64,
    }
    source = {"gen_ai.data_source.id": "manual", "server.address": "db", "server.port": 5432}
    spans = {
        "workflow": span(
            "invoke_workflow",
            at,
            name="invoke_workflow sale",
            kind=1,
            attributes={"gen_ai.workflow.name": "sale"},
        ),
        "agent": span("invoke_agent", at + 1, name="invoke_agent clerk", kind=1, attributes=agent),
        "chat": chat(at + 2, conversation, answer),
        "tool": span("execute_tool", at + 4, name="execute_tool stock", kind=1, attributes=tool),
        "stream": chat(at + 6, conversation, f"{answer}s", attributes=stream),
        "embeddings": span("embeddings", at + 8, name="embeddings x", attributes=embedding),
        "retrieval": span("retrieval", at + 9, name="retrieval manual", attributes=source),
        "failed": span(
            "chat",
            at + 10,
            name="chat claude-x",
            status=2,
            attributes=failed | {"error.type": "timeout"},
        ),
    }
    for index, (name, item) in enumerate(spans.items()):
        item["trace"] = f"{number + 1:032x}"
        item["id"] = f"{16 * number + index + 1:016x}"
        item["parent"] = ""
        if name != "workflow":
            item["parent"] = spans["workflow" if name == "agent" else "agent"]["id"]
    spans["chat"]["events"] = [{"name": "gen_ai.evaluation.result", "attributes": score}]
    spans["log"] = {
        "log": True,
        "name": "gen_ai.evaluation.result",
        "start": START + round((at + 11) * SECOND),
        "trace": "",
        "id": "",
        "attributes": score | {"gen_ai.response.id": f"{answer}s"},
        "service": "shop",
        "library": "acme.genai",
        "schema": SCHEMA,
    }
    return spans


def clean_traces(traces: int = 25) -> list[dict[str, Span]]:
    return [one_trace(number) for number in range(traces)]


def as_lines(traces: list[dict[str, Span]]) -> str:
    return "".join(f"{json.dumps(export(item))}\n" for trace in traces for item in trace.values())


def export(item: Span) -> dict[str, Any]:
    service = {"service.name": item["service"]} if item["service"] else {}
    resource = {"resource": {"attributes": pairs(service)}}
    scope = {"scope": {"name": item["library"], "version": "1"}, "schemaUrl": item["schema"]}
    shared = {
        "traceId": item["trace"],
        "spanId": item["id"],
        "attributes": pairs(item["attributes"]),
    }
    if item.get("log"):
        record = {**shared, "timeUnixNano": str(item["start"]), "eventName": item["name"]}
        record |= {"body": value(item["body"])} if "body" in item else {}
        return {"resourceLogs": [{**resource, "scopeLogs": [{**scope, "logRecords": [record]}]}]}
    logged = {
        **shared,
        "parentSpanId": item["parent"],
        "name": item["name"],
        "kind": item["kind"],
        "startTimeUnixNano": str(item["start"]),
        "endTimeUnixNano": str(item["end"]),
        "status": {"code": item["status"]},
        "events": [
            {
                "name": event["name"],
                "timeUnixNano": str(item["start"]),
                "attributes": pairs(event["attributes"]),
            }
            for event in item["events"]
        ],
    }
    return {"resourceSpans": [{**resource, "scopeSpans": [{**scope, "spans": [logged]}]}]}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def value(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    if isinstance(item, float):
        return {"doubleValue": item}
    if isinstance(item, list):
        return {"arrayValue": {"values": [value(one) for one in item]}}
    if isinstance(item, dict):
        return {"kvlistValue": {"values": pairs(item)}}
    return {"stringValue": item}


_CALL = {
    "timestamp": "2026-09-01T08:00:00Z",
    "conversation_id": "c1",
    "user_id": "u1",
    "duration_s": 2.5,
    "ttft_s": 0.5,
    "request": {"model": "claude-x", "messages": [{"role": "user", "content": "hello"}]},
    "response": {
        "id": "msg_1",
        "type": "message",
        "model": "claude-x",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 3},
    },
}


def clean_calls(calls: int = 5) -> list[dict[str, Any]]:
    """Anthropic requests and responses as a gateway logs them."""
    found = []
    for number in range(calls):
        call = deepcopy(_CALL)
        call["response"]["id"] = f"msg_{number}"
        found.append(call)
    return found
