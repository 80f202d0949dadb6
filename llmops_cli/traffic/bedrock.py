"""AWS Bedrock model invocation logs: InvokeModel with Anthropic bodies, Converse, and the rest.

Field meanings: Amazon Bedrock user guide, model invocation logging; API reference, Converse.
Every counter excludes what was read from and written to the cache. Bodies that were too large
lie in S3: such a call keeps its tokens and has no blocks, as has a body of another vendor.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmops_cli.traffic import anthropic_messages, converse
from llmops_cli.traffic.anthropic_usage import DeltaUsage, settled, usage_columns
from llmops_cli.traffic.anthropic_usage import Usage as AnthropicUsage
from llmops_cli.traffic.blocks import Part, marker_of
from llmops_cli.traffic.bodies import decoded
from llmops_cli.traffic.envelope import Seconds, Tokens, microseconds
from llmops_cli.traffic.rows import Found
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "rows"]

NAME = "bedrock-invocation"
STAGED = False
SIGNATURES: tuple[frozenset[str], ...] = (
    frozenset({"schemaType", "modelId", "requestId"}),
    frozenset({"accountId", "modelId", "operation", "requestId"}),
)

_REQUEST, _RESPONSE = "input.inputBodyJson", "output.outputBodyJson"


class Input(msgspec.Struct, rename="camel"):
    """``input``: the request body and its counters."""

    input_body_json: msgspec.Raw = msgspec.Raw()
    input_token_count: Tokens | None = None
    cache_read_input_token_count: Tokens | None = None
    cache_write_input_token_count: Tokens | None = None


class Output(msgspec.Struct, rename="camel"):
    """``output``: the response body and its counter."""

    output_body_json: msgspec.Raw = msgspec.Raw()
    output_token_count: Tokens | None = None


class Line(msgspec.Struct, rename="camel"):
    """One invocation."""

    schema_type: str | None = None
    timestamp: str | float | None = None
    account_id: str | None = None
    region: str | None = None
    request_id: str | None = None
    operation: str | None = None
    model_id: str | None = None
    error_code: str | None = None
    input: Input | None = None
    output: Output | None = None

    def fits(self) -> bool:
        """Whether the line says that it is of this log."""
        if self.schema_type is not None:
            return self.schema_type == "ModelInvocationLog"
        return self.model_id is not None and self.operation is not None


class ToolConfig(msgspec.Struct):
    """``toolConfig`` of Converse."""

    tools: msgspec.Raw = msgspec.Raw()


class Body(msgspec.Struct):
    """A request body of Anthropic's API or of Converse."""

    messages: msgspec.Raw = msgspec.Raw(b"null")
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    tool_config: ToolConfig | None = msgspec.field(default=None, name="toolConfig")
    cache_control: Any = None
    metadata: anthropic_messages.Metadata | None = None


class Probe(msgspec.Struct):
    """What tells of which API a body is."""

    anthropic_version: Any = None
    schema_version: Any = msgspec.field(default=None, name="schemaVersion")


class CacheDetail(msgspec.Struct, rename="camel"):
    """Cache writes of one lifetime."""

    ttl: str | None = None
    input_tokens: Tokens = 0


class Usage(DeltaUsage):
    """Counters of Anthropic's bodies, then those of Converse."""

    given: Tokens | None = msgspec.field(default=None, name="inputTokens")
    generated: Tokens | None = msgspec.field(default=None, name="outputTokens")
    read: Tokens | None = msgspec.field(default=None, name="cacheReadInputTokens")
    written: Tokens | None = msgspec.field(default=None, name="cacheWriteInputTokens")
    by_lifetime: list[CacheDetail] | None = msgspec.field(default=None, name="cacheDetails")


class Measured(msgspec.Struct, rename="camel"):
    """What Bedrock measured, in milliseconds."""

    invocation_latency: Seconds | None = None
    first_byte_latency: Seconds | None = None
    latency_ms: Seconds | None = None


class Reply(msgspec.Struct):
    """A response body, or one event of a stream, which nests what a body says itself."""

    model: str | None = None
    stop_reason: str | None = None
    stopped: str | None = msgspec.field(default=None, name="stopReason")
    usage: Usage | None = None
    metrics: Measured | None = None
    invocation: Measured | None = msgspec.field(
        default=None, name="amazon-bedrock-invocationMetrics"
    )
    message: "Reply | str | None" = None
    delta: "Reply | None" = None
    message_stop: "Reply | None" = msgspec.field(default=None, name="messageStop")
    metadata: "Reply | None" = None


def rows(line: Line) -> tuple[Found]:
    """The one call of a line.

    Raises:
        RowError: ``calls-bad-time``, ``calls-contradiction``, ``calls-bad-content``.
        msgspec.ValidationError: a body is not what its API says.
    """
    given, answer = line.input or Input(), line.output or Output()
    model = (line.model_id or "").rpartition("/")[2]
    domain = "/".join(part for part in (line.account_id, line.region) if part)
    columns: dict[str, Any] = {
        "call_id": line.request_id,
        "start_time": None if line.timestamp is None else microseconds(line.timestamp, "timestamp"),
        "isolation_domain": domain or None,
        "provider_name": "aws.bedrock",
        "operation_name": "embeddings" if "embed" in model else "chat",
        "request_model": model or None,
        "error_type": line.error_code,
    }
    raw = bytes(given.input_body_json)
    api = _api(line, raw)
    if api is None:
        return ((columns | _tokens({}, given, answer), []),)
    said = _said(bytes(answer.output_body_json))
    columns |= _served(said) | _tokens(said, given, answer)
    if raw[:1] != b"{":
        return ((columns, []),)
    body = decoded(raw, Body, _REQUEST)
    columns["automatic_cache"] = int(marker_of(body.cache_control))
    columns["user_id"] = body.metadata.user_id if body.metadata else None
    return ((columns, _parts(body, api)),)


def _api(line: Line, raw: bytes) -> str | None:
    """Of which API the bodies are; None for other vendors' own, which have only tokens here."""
    if (line.operation or "").startswith("Converse"):
        return "converse"
    probe = msgspec.json.decode(raw, type=Probe) if raw[:1] == b"{" else Probe()
    if probe.schema_version == "messages-v1":
        return "converse"
    told = probe.anthropic_version is not None or "anthropic." in (line.model_id or "")
    return "anthropic" if told else None


def _said(raw: bytes) -> dict[str, Any]:
    """What the response says; of a stream the last word on everything."""
    said = dict[str, Any]()
    if raw[:1] == b"{":
        _gather(decoded(raw, Reply, _RESPONSE), said)
    elif raw[:1] == b"[":
        for event in decoded(raw, list[Reply], _RESPONSE):
            _gather(event, said)
    return said


def _gather(found: msgspec.Struct, said: dict[str, Any]) -> None:
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if isinstance(value, Reply | Usage | Measured):
            _gather(value, said)
        elif value is not None:
            said[name] = value


def _served(said: dict[str, Any]) -> dict[str, Any]:
    duration = said.get("invocation_latency", said.get("latency_ms"))
    first = said.get("first_byte_latency")
    return {
        "response_model": said.get("model"),
        "finish_reason": said.get("stop_reason", said.get("stopped")),
        "duration_s": None if duration is None else duration / 1000,
        "ttft_s": None if first is None else first / 1000,
    }


def _tokens(said: dict[str, Any], given: Input, answer: Output) -> dict[str, Any]:
    if "input_tokens" in said:
        known = {name: said[name] for name in AnthropicUsage.__struct_fields__ if name in said}
        return usage_columns(settled(AnthropicUsage(**known)), f"{_RESPONSE}.usage")
    tokens = said.get("given", given.input_token_count)
    output = said.get("generated", said.get("output_tokens", answer.output_token_count))
    if tokens is None:
        return {"output_tokens": output}
    details: list[CacheDetail] = said.get("by_lifetime", [])
    counters = Counters(
        given=tokens,
        read=said.get("read", given.cache_read_input_token_count) or 0,
        written=said.get("written", given.cache_write_input_token_count) or 0,
        written_1h=sum(detail.input_tokens for detail in details if detail.ttl == "1h"),
        output=output or 0,
        field=f"{_RESPONSE}.usage",
    )
    return disjoint(counters, cached_inside=False)


def _parts(body: Body, api: str) -> Sequence[Part]:
    messages = msgspec.Raw(b"[]") if bytes(body.messages) == b"null" else body.messages
    if api == "anthropic":
        return anthropic_messages.parts(
            anthropic_messages.Request("", messages, body.system, body.tools), _REQUEST
        )
    tools = body.tool_config.tools if body.tool_config else msgspec.Raw()
    return converse.parts(messages, body.system, tools, _REQUEST)
