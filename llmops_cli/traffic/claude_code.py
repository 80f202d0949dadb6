"""Claude Code session logs: one JSON line per turn of a session; answers carry the usage.

Counters are Anthropic's, disjoint and split by lifetime. One API message is written on
several lines with the same usage, its output growing while it streams, so each line carries
the key that the joiner keeps the most complete one of. There are no prompt blocks: the log
holds neither the system prompt nor the tools.
"""

import re
from typing import Any

import msgspec

from llmops_cli.traffic.anthropic_usage import Usage, usage_columns
from llmops_cli.traffic.bodies import decoded
from llmops_cli.traffic.envelope import started
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found, Skipped

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "rows"]

NAME = "claude-code"
STAGED = True
SIGNATURES: tuple[frozenset[str], ...] = (
    frozenset({"type", "sessionId", "uuid"}),
    frozenset({"type", "sessionId", "operation"}),
    frozenset({"type", "sessionId", "lastPrompt"}),
    frozenset({"type", "sessionId", "customTitle"}),
    frozenset({"type", "sessionId", "aiTitle"}),
    frozenset({"type", "summary", "leafUuid"}),
    frozenset({"type", "snapshot", "messageId"}),
)

_SYNTHETIC = "<synthetic>"
_NAMES = {
    "user": "user lines",
    "system": "system lines",
    "summary": "summaries",
    "attachment": "attachments",
    "progress": "progress lines",
    "file-history-snapshot": "file snapshots",
    "queue-operation": "queue operations",
}
# Message ids say whose API answered.
_PROVIDERS = {"msg_bdrk_": "aws.bedrock", "msg_vrtx_": "gcp.vertex_ai"}
_ABSENT = (b"", b"null")
_ERROR = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Message(msgspec.Struct):
    """The API's answer, without its content; a user's turn has none of these."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


class Line(msgspec.Struct, rename="camel"):
    """One line of a session."""

    type: str | None = None
    message: msgspec.Raw = msgspec.Raw()
    request_id: str | None = None
    timestamp: str | float | None = None
    session_id: str | None = None
    uuid: str | None = None
    trace_id: msgspec.Raw = msgspec.Raw()
    is_sidechain: bool | None = None
    is_api_error_message: bool | None = None
    api_error_status: int | str | None = None
    error: msgspec.Raw = msgspec.Raw()

    def fits(self) -> bool:
        """Whether the line is of a session: every one has a type, and nearly all the session."""
        if self.type is None or bytes(self.trace_id) not in _ABSENT:
            return False
        return self.session_id is not None or self.type in _NAMES


def rows(line: Line) -> tuple[Found]:
    """The call of an answer's line; every other line is skipped by name.

    Raises:
        RowError: ``calls-missing-field``, ``calls-bad-time``, ``calls-contradiction``.
        msgspec.ValidationError: a counter or a name has another type.
    """
    if line.type is None:
        raise RowError("calls-missing-field", "'type' is missing", "type")
    if line.type != "assistant":
        return (Skipped(_NAMES.get(line.type, "other session lines")),)
    raw = bytes(line.message)
    message = Message() if raw in _ABSENT else decoded(raw, Message, "message")
    if line.is_api_error_message:
        return ((_shared(line, message) | {"error_type": _error(line)}, []),)
    if message.model == _SYNTHETIC:
        return (Skipped("synthetic answers"),)
    if message.usage is None:
        return (Skipped("answers without usage"),)
    answer = {
        "request_model": message.model,
        "response_model": message.model,
        "finish_reason": message.stop_reason,
    }
    counted = usage_columns(message.usage, "message.usage")
    return ((_shared(line, message) | answer | counted, []),)


def _shared(line: Line, message: Message) -> dict[str, Any]:
    return {
        "call_id": message.id,
        # Gateways leave out the request's id; the message's tells its lines as well.
        "join_key": f"claude-code:{message.id}:{line.request_id or ''}" if message.id else None,
        "start_time": started(line.timestamp, "timestamp"),
        "conversation_id": line.session_id,
        "agent_name": "sidechain" if line.is_sidechain else None,
        "provider_name": _provider(message),
    }


def _provider(message: Message) -> str | None:
    model = message.model or _SYNTHETIC
    # A gateway may have put another vendor's model in Claude's place.
    unknown = None if model != _SYNTHETIC and "claude" not in model else "anthropic"
    return _PROVIDERS.get((message.id or "")[:9], unknown)


def _error(line: Line) -> str:
    """The error's name where the log gives one; its text may quote anything."""
    raw = bytes(line.error)
    name = None if raw in _ABSENT else msgspec.json.decode(raw)
    if isinstance(name, str) and _ERROR.fullmatch(name):
        return name
    status = line.api_error_status
    return str(status) if isinstance(status, int) else "api_error"
