"""The same traffic logged in seven dialects is the same calls table and the same cache estimate.

Sixty calls: conversations that grow, with and without tools, of Anthropic with cache reads and
writes and of OpenAI with cached and reasoning tokens; a few fail. Each dialect writes them as
its instrumentations do.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmops_cli import cache_estimate
from llmops_cli.calls import COLUMNS, CallsTable, validate
from llmops_cli.report import Table
from llmops_cli.traffic import read_calls

Json = dict[str, Any]
START = datetime(2026, 9, 1, 8, tzinfo=UTC)
WORDS = [
    "ship",
    "order",
    "plan",
    "note",
    "claim",
    "route",
    "quota",
    "ledger",
    "parcel",
    "berth",
    "crane",
    "depot",
]
MODELS = {"anthropic": "claude-sonnet-4-6", "openai": "gpt-5.1"}


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: Json


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: Json


@dataclass(frozen=True)
class Message:
    role: str
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    answers: str = ""


@dataclass(frozen=True)
class Call:
    number: int
    provider: str
    conversation: str
    system: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    start: datetime
    fresh: int
    read: int
    written: int
    output: int
    reasoning: int | None
    error: str | None
    score: float | None

    @property
    def id(self) -> str:
        return f"{'msg' if self.provider == 'anthropic' else 'chatcmpl'}_{self.number}"

    @property
    def model(self) -> str:
        return MODELS[self.provider]

    @property
    def inclusive(self) -> int:
        return self.fresh + self.read + self.written

    @property
    def finish(self) -> str | None:
        if self.error:
            return None
        return "end_turn" if self.provider == "anthropic" else "stop"

    @property
    def tier(self) -> str | None:
        return "default" if self.provider == "openai" and not self.error else None

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    @property
    def ttft(self) -> float | None:
        return None if self.error else 0.5

    def row(self) -> Json:
        """What the calls table must say, block columns and places aside."""
        failed = self.error is not None
        return {
            "call_id": self.id,
            "start_time": self.start,
            "conversation_id": self.conversation,
            "trace_id": f"{self.number + 1:032x}",
            "span_id": f"{self.number + 1:016x}",
            "agent_name": None,
            "tool_name": None,
            "user_id": f"u{self.number % 4}",
            "isolation_domain": "w1",
            "task": "plan",
            "provider_name": self.provider,
            "operation_name": "chat",
            "request_model": self.model,
            "response_model": None if failed else self.model,
            "service_tier": self.tier,
            "input_tokens": None if failed else self.fresh,
            "cache_read_tokens": None if failed else self.read,
            "cache_write_5m_tokens": None if failed else self.written,
            "cache_write_1h_tokens": None if failed else 0,
            "output_tokens": None if failed else self.output,
            "reasoning_tokens": None if failed else self.reasoning,
            "tokens_estimated": False,
            "duration_s": 2.0,
            "ttft_s": self.ttft,
            "finish_reason": self.finish,
            "error_type": self.error,
            "attempts": 1,
            "evaluation_score": self.score,
            "automatic_cache": 0,
        }


def traffic() -> list[Call]:
    """Twelve conversations of five calls each."""
    draw = random.Random(11)  # noqa: S311 - a reproducible log, not a secret
    calls = list[Call]()
    for number in range(12):
        provider = "anthropic" if number % 2 else "openai"
        calls += conversation(draw, number, provider, has_tools=number % 3 == 0)
    return sorted(calls, key=lambda call: call.start)


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(WORDS, k=count))


def conversation(
    draw: random.Random, number: int, provider: str, *, has_tools: bool
) -> Iterator[Call]:
    system = f"You are planner {number % 2}. " + words(random.Random(number % 2), 900)  # noqa: S311
    tools = tuple(TOOLS) if has_tools else ()
    messages = [Message("user", f"Grüezi {number}: " + words(draw, 40))]
    length = 1500
    for turn in range(5):
        cached = provider == "anthropic" or turn > 1
        yield Call(
            number=5 * number + turn,
            provider=provider,
            conversation=f"c{number}",
            system=system,
            tools=tools,
            messages=tuple(messages),
            start=START + timedelta(seconds=30 * turn + 7 * number, milliseconds=number),
            fresh=20 + draw.randint(0, 9),
            read=length if turn and cached else 0,
            written=draw.randint(100, 300) if provider == "anthropic" else 0,
            output=60,
            reasoning=draw.randint(1, 40) if provider == "openai" else None,
            error="rate_limit_error" if (number, turn) in {(1, 2), (4, 3)} else None,
            score=0.5 if turn == 4 and number % 4 == 0 else None,
        )
        length += 300
        messages += continued(draw, number, turn, has_tools=has_tools)


TOOLS = [
    Tool(
        "berth",
        "finds a free berth",
        {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    ),
    Tool("crane", "books a crane", {"type": "object", "properties": {}}),
]


def continued(draw: random.Random, number: int, turn: int, *, has_tools: bool) -> Iterator[Message]:
    answer = words(draw, 30)
    if has_tools and turn % 2 == 0:
        call = ToolCall(f"toolu_{number}_{turn}", "berth", {"port": "Basel", "days": [1, turn]})
        yield Message("assistant", answer, (call,))
        yield Message("tool", words(draw, 12), answers=call.id)
    else:
        yield Message("assistant", answer)
        yield Message("user", words(draw, 30))


# Messages and tools in the words of the APIs and of the conventions.


def chat_message(message: Message) -> Json:
    found: Json = {"role": message.role, "content": message.text}
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.answers:
        found["tool_call_id"] = message.answers
    return found


def chat_messages(call: Call) -> list[Json]:
    return [{"role": "system", "content": call.system}, *map(chat_message, call.messages)]


def chat_tool(tool: Tool) -> Json:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def anthropic_message(message: Message) -> Json:
    if message.answers:
        result = {"type": "tool_result", "tool_use_id": message.answers, "content": message.text}
        return {"role": "user", "content": [result]}
    used = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in message.tool_calls
    ]
    text = [{"type": "text", "text": message.text}]
    return {"role": message.role, "content": text + used if used else message.text}


def new_message(message: Message) -> Json:
    if message.answers:
        part = {"type": "tool_call_response", "id": message.answers, "response": message.text}
        return {"role": "tool", "parts": [part]}
    parts: list[Json] = [{"type": "text", "content": message.text}]
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return {"role": message.role, "parts": parts}


# The dialects. Each writes files into a folder and returns what to read.


def lines(path: Path, rows: list[Json]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def provider_log(folder: Path, calls: list[Call]) -> list[Path]:
    rows = [
        {
            "timestamp": call.start.isoformat(),
            "conversation_id": call.conversation,
            "user_id": f"u{call.number % 4}",
            "workspace": "w1",
            "task": "plan",
            "provider": call.provider,
            "request_id": call.id,
            "duration_s": 2.0,
            "ttft_s": call.ttft,
            "evaluation_score": call.score,
            "error": {"type": call.error} if call.error else None,
            **(anthropic_bodies(call) if call.provider == "anthropic" else chat_bodies(call)),
        }
        for call in calls
    ]
    return [lines(folder / "provider.jsonl", rows)]


def anthropic_bodies(call: Call) -> Json:
    request = {
        "model": call.model,
        "system": call.system,
        "messages": [anthropic_message(message) for message in call.messages],
        "tools": [
            {"name": t.name, "description": t.description, "input_schema": t.parameters}
            for t in call.tools
        ],
    }
    if call.error:
        error = {"type": "error", "error": {"type": call.error}}
        return {"request": request, "response": error}
    response = {
        "type": "message",
        "id": call.id,
        "model": call.model,
        "stop_reason": call.finish,
        "usage": {
            "input_tokens": call.fresh,
            "cache_read_input_tokens": call.read,
            "cache_creation_input_tokens": call.written,
            "output_tokens": call.output,
        },
    }
    return {"request": request, "response": response}


def chat_bodies(call: Call) -> Json:
    request = {
        "model": call.model,
        "messages": chat_messages(call),
        "tools": [chat_tool(tool) for tool in call.tools],
    }
    if call.error:
        return {"request": request}
    response = {
        "object": "chat.completion",
        "id": call.id,
        "model": call.model,
        "service_tier": call.tier,
        "choices": [{"finish_reason": call.finish}],
        "usage": {
            "prompt_tokens": call.inclusive,
            "completion_tokens": call.output,
            "prompt_tokens_details": {"cached_tokens": call.read},
            "completion_tokens_details": {"reasoning_tokens": call.reasoning},
        },
    }
    return {"request": request, "response": response}


def any_value(value: object) -> Json:
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
    return [{"key": k, "value": any_value(v)} for k, v in values.items() if v is not None]


def nanoseconds(moment: datetime) -> str:
    return str(int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000)


def span(call: Call, attributes: Json, events: list[Json] | None = None) -> Json:
    return {
        "traceId": call.row()["trace_id"],
        "spanId": call.row()["span_id"],
        "name": f"chat {call.model}",
        "kind": 3,
        "startTimeUnixNano": nanoseconds(call.start),
        "endTimeUnixNano": nanoseconds(call.at(2)),
        "attributes": key_values(attributes),
        "events": events or [],
        "status": {"code": 2} if call.error else {},
    }


def event(call: Call, name: str, attributes: Json, at: float = 0.0) -> Json:
    return {
        "name": name,
        "timeUnixNano": nanoseconds(call.at(at)),
        "attributes": key_values(attributes),
    }


def traces(spans: list[tuple[Call, Json]], library: str) -> list[Json]:
    """Ten spans a line, each under the library of its provider."""
    return [
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": key_values({"service.name": "port"})},
                    "scopeSpans": [
                        {"scope": {"name": f"{library}.{call.provider}"}, "spans": [found]}
                        for call, found in spans[at : at + 10]
                    ],
                }
            ]
        }
        for at in range(0, len(spans), 10)
    ]


def semconv_141(folder: Path, calls: list[Call]) -> list[Path]:
    def attributes(call: Call) -> Json:
        usage: Json = {
            "gen_ai.response.model": call.model,
            "gen_ai.response.id": call.id,
            "gen_ai.response.finish_reasons": [call.finish],
            "gen_ai.response.time_to_first_chunk": call.ttft,
            "openai.response.service_tier": call.tier,
            "gen_ai.usage.input_tokens": call.inclusive,
            "gen_ai.usage.cache_read.input_tokens": call.read,
            "gen_ai.usage.cache_creation.input_tokens": call.written,
            "gen_ai.usage.output_tokens": call.output,
            "gen_ai.usage.reasoning.output_tokens": call.reasoning,
        }
        tools = [{"type": "function", **chat_tool(tool)["function"]} for tool in call.tools]
        system = [{"type": "text", "content": call.system}]
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
            "gen_ai.conversation.id": call.conversation,
            "gen_ai.prompt.name": "plan",
            "user.id": f"u{call.number % 4}",
            "error.type": call.error,
            "gen_ai.tool.definitions": json.dumps(tools) if tools else None,
            "gen_ai.system_instructions": json.dumps(system),
            "gen_ai.input.messages": json.dumps([new_message(m) for m in call.messages]),
            **({"gen_ai.response.id": call.id} if call.error else usage),
        }

    def events(call: Call) -> list[Json]:
        score = {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": call.score}
        return [] if call.score is None else [event(call, "gen_ai.evaluation.result", score)]

    found = [(call, span(call, attributes(call), events(call))) for call in calls]
    return [lines(folder / "semconv-1.41.jsonl", traces(found, "opentelemetry.genai"))]


def semconv_136(folder: Path, calls: list[Call], *, tools: bool = True) -> list[Path]:
    """Events of one message each: OpenAI's as log records, Anthropic's inside the span.

    The cache counters have OpenLLMetry's names, for 1.36 has none; Anthropic's input counter is
    the vendor's, without cached tokens. Tools are told under the name that 1.38 gave them.
    """

    def attributes(call: Call) -> Json:
        defined = [{"type": "function", **chat_tool(tool)["function"]} for tool in call.tools]
        is_anthropic = call.provider == "anthropic"
        usage: Json = {
            "gen_ai.response.model": call.model,
            "gen_ai.response.finish_reasons": [call.finish],
            "gen_ai.openai.response.service_tier": call.tier,
            "gen_ai.usage.input_tokens": call.fresh if is_anthropic else call.inclusive,
            "gen_ai.usage.cache_read_input_tokens": call.read,
            "gen_ai.usage.cache_creation_input_tokens": call.written,
            "gen_ai.usage.output_tokens": call.output,
        }
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": call.provider,
            "gen_ai.request.model": call.model,
            "gen_ai.response.id": call.id,
            "gen_ai.conversation.id": call.conversation,
            "user.id": f"u{call.number % 4}",
            "error.type": call.error,
            "gen_ai.tool.definitions": json.dumps(defined) if defined and tools else None,
            **({} if call.error else usage),
        }

    def body(message: Json) -> Json:
        kept = {k: v for k, v in message.items() if k in {"content", "tool_calls"}}
        return kept | ({"id": message["tool_call_id"]} if "tool_call_id" in message else {})

    def inside(call: Call) -> list[Json]:
        chunk = [event(call, "gen_ai.content.completion.chunk", {}, 0.5)] if call.ttft else []
        if call.provider == "openai":
            return chunk
        return chunk + [
            event(call, f"gen_ai.{m['role']}.message", body(m)) for m in chat_messages(call)
        ]

    records = [
        {
            "eventName": f"gen_ai.{message['role']}.message",
            "timeUnixNano": nanoseconds(call.start),
            "traceId": call.row()["trace_id"],
            "spanId": call.row()["span_id"],
            "body": any_value(body(message)),
        }
        for call in calls
        if call.provider == "openai"
        for message in chat_messages(call)
    ]
    logs = [
        {"resourceLogs": [{"scopeLogs": [{"logRecords": records[at : at + 50]}]}]}
        for at in range(0, len(records), 50)
    ]
    found = [(call, span(call, attributes(call), inside(call))) for call in calls]
    return [
        lines(folder / "a-logs.jsonl", logs),
        lines(folder / "b-traces.jsonl", traces(found, "opentelemetry.instrumentation")),
    ]


def flat(prefix: str, call: Call, infix: str, tool_infix: str) -> Json:
    found: Json = {}
    for at, message in enumerate(chat_messages(call)):
        place = f"{prefix}.{at}{infix}"
        found |= {f"{place}.role": message["role"], f"{place}.content": message["content"]}
        found[f"{place}.tool_call_id"] = message.get("tool_call_id")
        for nth, tool in enumerate(message.get("tool_calls", ())):
            under = f"{place}.tool_calls.{nth}{tool_infix}"
            function = f"{under}.function" if tool_infix else under
            found |= {
                f"{under}.id": tool["id"],
                f"{function}.name": tool["function"]["name"],
                f"{function}.arguments": tool["function"]["arguments"],
            }
    return found


def openinference(folder: Path, calls: list[Call]) -> list[Path]:
    def attributes(call: Call) -> Json:
        usage: Json = {
            "llm.response.model_name": call.model,
            "llm.finish_reason": call.finish,
            "llm.token_count.prompt": call.inclusive,
            "llm.token_count.prompt_details.cache_read": call.read,
            "llm.token_count.prompt_details.cache_write": call.written,
            "llm.token_count.completion": call.output,
            "llm.token_count.completion_details.reasoning": call.reasoning,
            "llm.token_count.total": call.inclusive + call.output,
        }
        tools = {
            f"llm.tools.{at}.tool.json_schema": json.dumps(chat_tool(tool))
            for at, tool in enumerate(call.tools)
        }
        return {
            "openinference.span.kind": "LLM",
            "llm.system": call.provider,
            "llm.model_name": call.model,
            "session.id": call.conversation,
            "user.id": f"u{call.number % 4}",
            "llm.prompt_template.name": "plan",
            **tools,
            **flat("llm.input_messages", call, ".message", ".tool_call"),
            **({} if call.error else usage),
        }

    def events(call: Call) -> list[Json]:
        if call.error:
            return [event(call, "exception", {"exception.type": call.error})]
        return [event(call, "First Token Stream Event", {}, 0.5)]

    found = [(call, span(call, attributes(call), events(call))) for call in calls]
    return [lines(folder / "openinference.jsonl", traces(found, "openinference.instrumentation"))]


def openllmetry(folder: Path, calls: list[Call]) -> list[Path]:
    def attributes(call: Call) -> Json:
        usage: Json = {
            "gen_ai.response.model": call.model,
            "gen_ai.completion.0.finish_reason": call.finish,
            "gen_ai.openai.response.service_tier": call.tier,
            "gen_ai.usage.prompt_tokens": call.inclusive,
            "gen_ai.usage.completion_tokens": call.output,
            "gen_ai.usage.cache_read_input_tokens": call.read,
            "gen_ai.usage.cache_creation_input_tokens": call.written,
            "gen_ai.usage.reasoning_tokens": call.reasoning,
            "llm.usage.total_tokens": call.inclusive + call.output,
        }
        tools: Json = {}
        for at, tool in enumerate(call.tools):
            place = f"llm.request.functions.{at}"
            tools |= {f"{place}.name": tool.name, f"{place}.description": tool.description}
            tools[f"{place}.parameters"] = json.dumps(tool.parameters)
        return {
            "llm.request.type": "chat",
            "gen_ai.system": call.provider.capitalize(),
            "gen_ai.request.model": call.model,
            "gen_ai.response.id": call.id,
            "traceloop.association.properties.session_id": call.conversation,
            "traceloop.association.properties.user_id": f"u{call.number % 4}",
            "traceloop.prompt.key": "plan",
            "error.type": call.error,
            **tools,
            **flat("gen_ai.prompt", call, "", ""),
            **({} if call.error else usage),
        }

    def events(call: Call) -> list[Json]:
        return [event(call, "llm.content.completion.chunk", {}, 0.5)] if call.ttft else []

    found = [(call, span(call, attributes(call), events(call))) for call in calls]
    return [lines(folder / "openllmetry.jsonl", traces(found, "opentelemetry.instrumentation"))]


def langfuse(folder: Path, calls: list[Call]) -> list[Path]:
    rows = [
        {
            "id": call.row()["span_id"],
            "traceId": call.row()["trace_id"],
            "type": "GENERATION",
            "name": "plan",
            "level": "ERROR" if call.error else "DEFAULT",
            "model": call.model,
            "sessionId": call.conversation,
            "userId": f"u{call.number % 4}",
            "promptName": "plan",
            "startTime": call.start.isoformat(),
            "endTime": call.at(2).isoformat(),
            "completionStartTime": call.at(0.5).isoformat() if call.ttft else None,
            "input": {
                "messages": chat_messages(call),
                "tools": [chat_tool(tool) for tool in call.tools],
            },
            "scores": [{"name": "helpful", "value": call.score}] if call.score else [],
            "usageDetails": {}
            if call.error
            else {
                "input": call.fresh,
                "cache_read_input_tokens": call.read,
                "cache_creation_input_tokens": call.written,
                "output": call.output,
                **({} if call.reasoning is None else {"reasoning": call.reasoning}),
                "total": call.inclusive + call.output,
            },
        }
        for call in calls
    ]
    return [lines(folder / "langfuse.jsonl", rows)]


def litellm(folder: Path, calls: list[Call]) -> list[Path]:
    def seconds(moment: datetime) -> float:
        return moment.timestamp()

    rows = [
        {
            "id": call.id,
            "trace_id": call.row()["trace_id"],
            "session_id": call.conversation,
            "call_type": "acompletion",
            "status": "failure" if call.error else "success",
            "model": call.model,
            "custom_llm_provider": call.provider,
            "end_user": f"u{call.number % 4}",
            "startTime": seconds(call.start),
            "endTime": seconds(call.at(2)),
            "completionStartTime": seconds(call.at(0.5 if call.ttft else 2)),
            "prompt_tokens": 0 if call.error else call.inclusive,
            "completion_tokens": 0 if call.error else call.output,
            "total_tokens": 0 if call.error else call.inclusive + call.output,
            "metadata": {
                "user_api_key_org_id": "w1",
                "usage_object": {
                    "prompt_tokens_details": {"cached_tokens": call.read},
                    "completion_tokens_details": {"reasoning_tokens": call.reasoning},
                    "cache_creation_input_tokens": call.written,
                },
            },
            "model_parameters": {"tools": [chat_tool(tool) for tool in call.tools]},
            "messages": chat_messages(call),
            "error_information": {"error_class": call.error} if call.error else None,
        }
        for call in calls
    ]
    return [lines(folder / "litellm.jsonl", rows)]


Write = Callable[[Path, list[Call]], list[Path]]


@dataclass(frozen=True)
class Dialect:
    """How it writes, and what it has no place for; reviewed."""

    write: Write
    cannot: dict[str, str] = field(default_factory=dict[str, str])


_NO_SPAN = {
    "trace_id": "bodies have no trace",
    "span_id": "bodies have no trace",
    "attempts": "without a trace one request is not told from a repetition",
}
_NO_DOMAIN = {"isolation_domain": "no attribute for a workspace"}
_NO_SCORE = {"evaluation_score": "evaluations came with 1.38, or live elsewhere"}
DIALECTS = {
    "provider log": Dialect(provider_log, _NO_SPAN),
    "OTLP, semconv 1.41": Dialect(semconv_141, _NO_DOMAIN),
    "OTLP, semconv 1.36": Dialect(
        semconv_136,
        _NO_DOMAIN
        | _NO_SCORE
        | {
            "task": "prompt names came later",
            "reasoning_tokens": "reasoning tokens came with 1.41",
        },
    ),
    "OpenInference": Dialect(
        openinference,
        _NO_DOMAIN
        | _NO_SCORE
        | {
            "call_id": "no id of the response: the span's own",
            "service_tier": "no attribute",
        },
    ),
    "OpenLLMetry": Dialect(openllmetry, _NO_DOMAIN | _NO_SCORE),
    "Langfuse": Dialect(
        langfuse,
        _NO_DOMAIN
        | {
            "call_id": "no id of the response: the observation's own",
            "provider_name": "an observation names the model alone",
            "response_model": "one model only",
            "service_tier": "no field",
            "finish_reason": "no field",
            "error_type": "a level, not a type",
        },
    ),
    "LiteLLM": Dialect(
        litellm,
        _NO_SCORE
        | {
            "span_id": "a payload has no span",
            "task": "no field",
            "response_model": "inside the response, which is not read",
            "service_tier": "no field",
            "finish_reason": "inside the response, which is not read",
        },
    ),
}
BLOCKS = ("block_hashes", "block_tokens", "block_kinds", "block_markers")


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return traffic()


@pytest.fixture(scope="module")
def tables(calls: list[Call], tmp_path_factory: pytest.TempPathFactory) -> dict[str, CallsTable]:
    """What is read of each dialect: every row of it, and every call of the traffic."""
    found: dict[str, CallsTable] = {}
    for name, dialect in DIALECTS.items():
        read = read_calls(dialect.write(tmp_path_factory.mktemp("dialect"), calls))
        assert read.bad_count == 0, (name, read.bad_rows)
        validate(read.calls)
        found[name] = read.calls
    return found


def rows_of(table: CallsTable, names: list[str]) -> list[Json]:
    chosen = table[names].astype(object)
    return chosen.where(chosen.notna(), None).to_dict("records")


def test_the_traffic_is_worth_comparing(calls: list[Call]) -> None:
    assert len(calls) == 60
    assert {call.provider for call in calls} == {"anthropic", "openai"}
    assert any(call.tools for call in calls)
    assert any(call.read > call.fresh for call in calls if call.provider == "anthropic")
    assert sum(call.error is not None for call in calls) == 2


@pytest.mark.parametrize("name", DIALECTS)
def test_every_column_that_the_dialect_carries_says_what_happened(
    name: str, calls: list[Call], tables: dict[str, CallsTable]
) -> None:
    cannot = DIALECTS[name].cannot
    names = [column for column in calls[0].row() if column not in cannot]
    expected = [{column: call.row()[column] for column in names} for call in calls]
    assert rows_of(tables[name], names) == expected


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_dialect_cannot_carry_it_does_not_carry(
    name: str, calls: list[Call], tables: dict[str, CallsTable]
) -> None:
    """The reviewed table has no excuse that is none."""
    for column in DIALECTS[name].cannot:
        expected = [call.row()[column] for call in calls]
        assert [row[column] for row in rows_of(tables[name], [column])] != expected, column


@pytest.mark.parametrize("name", DIALECTS)
def test_the_prompts_are_the_same_blocks(name: str, tables: dict[str, CallsTable]) -> None:
    one, other = tables["provider log"], tables[name]
    for column in BLOCKS:
        assert other[column].tolist() == one[column].tolist(), column
    assert one["block_hashes"].map(len).min() >= 2


def test_the_columns_compared_are_all_there_are(calls: list[Call]) -> None:
    places = {"source_file", "source_line"}
    assert {*calls[0].row(), *BLOCKS, *places} == {column.name for column in COLUMNS}


def placeless(table: Table) -> Table:
    """Without the column that says in which file a prompt was first seen."""
    keep = [at for at, column in enumerate(table.columns) if column.name != "first_seen"]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in keep),
        rows=tuple(tuple(row[at] for at in keep) for row in table.rows),
    )


@pytest.mark.parametrize("name", DIALECTS)
def test_the_cache_estimate_is_the_same(name: str, tables: dict[str, CallsTable]) -> None:
    one, other = (cache_estimate(tables[which]) for which in ("provider log", name))
    assert other.measures == one.measures
    # The calls of other providers are listed by provider, which not every dialect names.
    unnamed = {"elsewhere"} if "provider_name" in DIALECTS[name].cannot else set[str]()
    assert [placeless(table) for table in other.tables if table.name not in unnamed] == [
        placeless(table) for table in one.tables if table.name not in unnamed
    ]


def test_without_tools_plain_semconv_136_is_the_same_prompt(
    calls: list[Call], tables: dict[str, CallsTable], tmp_path: Path
) -> None:
    """1.36 has no place for tools: only prompts without them are the same blocks."""
    plain = read_calls(semconv_136(tmp_path, calls, tools=False)).calls["block_hashes"].tolist()
    whole = tables["provider log"]["block_hashes"].tolist()
    same = [one == other for one, other in zip(plain, whole, strict=True)]
    assert same == [not call.tools for call in calls]
