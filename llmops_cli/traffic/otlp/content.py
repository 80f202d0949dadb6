"""Prompts out of telemetry: whole messages, flattened attributes, or one event per message.

Whatever the dialect, the same messages become the same blocks as in a log of the API.
"""

from collections.abc import Iterable
from typing import Any, Self

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic.blocks import (
    Block,
    Cutter,
    Part,
    object_block,
    text_block,
    thinking_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)
from llmops_cli.traffic.growing import GrowingLists
from llmops_cli.traffic.openai_chat import message_blocks
from llmops_cli.traffic.otlp.flattened import maybe_json, unflattened
from llmops_cli.traffic.otlp.messages import AnyValue, KeyValue
from llmops_cli.traffic.otlp.values import plain, plain_map, raw_json
from llmops_cli.traffic.prompts import NO_RUN, Run, Runs
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Pieces", "event_pieces", "repeated_prompt", "whole_parts"]

_TOOL_RESULT, _UNMARKED = int(BlockKind.TOOL_RESULT), int(Marker.NONE)
_KINDS = {
    "system": int(BlockKind.SYSTEM),
    "developer": int(BlockKind.SYSTEM),
    "user": int(BlockKind.USER),
    "assistant": int(BlockKind.ASSISTANT),
    "tool": _TOOL_RESULT,
}
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_WHOLE_EVENTS = {"gen_ai.client.inference.operation.details", "gen_ai.content.prompt"}
_PART_KINDS = {
    "blob": BlockKind.MEDIA,
    "file": BlockKind.MEDIA,
    "uri": BlockKind.MEDIA,
}
_PART_BLOCKS = {
    "tool_call": tool_use_block,
    "tool_call_response": tool_result_block,
    "reasoning": thinking_block,
}


class _Message(msgspec.Struct, gc=False):
    """A message as the conventions have it since 1.37."""

    role: str
    parts: list[Any]


_as_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_as_any = msgspec.json.Decoder().decode
_as_message = msgspec.json.Decoder(_Message).decode
_as_messages = msgspec.json.Decoder(list[_Message]).decode


class Pieces:
    """A prompt's tools, instructions and messages; each may be logged in a place of its own."""

    __slots__ = ("instructions", "messages", "tools")

    def __init__(self) -> None:
        self.tools = self.instructions = self.messages = NO_RUN

    def parts(self) -> Runs:
        """The prompt in prefix order."""
        return Runs(self.tools, self.instructions, self.messages)

    def __iadd__(self, later: "Pieces") -> Self:
        """Take on more messages, and what was missing."""
        self.tools = self.tools or later.tools
        self.instructions = self.instructions or later.instructions
        if later.messages.size:
            self.messages = Run(tuple(later.messages), self.messages)
        return self

    def add_whole(self, content: dict[str, AnyValue], of: str | None = None) -> None:
        """What stands whole in one attribute each.

        Args:
            content: the attributes by their names.
            of: the conversation, or whatever else it is that may say the same again.

        Raises:
            msgspec.DecodeError: an attribute is not the JSON it should be.
        """
        value = content.get(gen_ai.GEN_AI_TOOL_DEFINITIONS)
        if value is not None:
            self.tools = _repeated(value, _tool)
        value = content.get(gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS)
        if value is not None:
            self.instructions = _repeated(value, _instruction)
        value = content.get(gen_ai.GEN_AI_INPUT_MESSAGES)
        if value is not None:
            text = value.string_value
            if text is None or of is None:
                self.messages = Run(_split(_json(value), _message))
            else:
                self.messages = _lists.grown(text, _message, of)
        elif gen_ai.GEN_AI_PROMPT in content:
            self.messages = Run(_old_prompt(content[gen_ai.GEN_AI_PROMPT]))

    def add_flattened(self, pairs: Iterable[tuple[str, AnyValue]]) -> None:
        """What stands in attributes such as ``llm.input_messages.0.message.content``."""
        tools, messages = unflattened((key, plain(value)) for key, value in pairs)
        self.tools = self.tools or Run(tuple([(_tool, tool) for tool in tools]))
        self.messages = self.messages or Run(tuple([(message_blocks, item) for item in messages]))


def whole_parts(content: dict[str, AnyValue]) -> list[Part]:
    """The prompt from the attributes that hold it whole: tools, system, messages.

    Raises:
        msgspec.DecodeError: an attribute is not the JSON it should be.
    """
    pieces = Pieces()
    pieces.add_whole(content)
    return list(pieces.parts())


def repeated_prompt(
    tools: str | None, instructions: str | None, messages: str | None, of: str
) -> tuple[Run, Run, Run]:
    """The runs of a prompt whose beginning came before, as :meth:`Pieces.add_whole` has it.

    Args:
        tools: their definitions, JSON text.
        instructions: likewise.
        messages: likewise.
        of: the conversation, or whatever else it is that may say the same again.

    Raises:
        msgspec.DecodeError: one of them is not the JSON it should be.
    """
    return (
        NO_RUN if tools is None else _lists.same(tools, _tool),
        NO_RUN if instructions is None else _lists.same(instructions, _instruction),
        NO_RUN if messages is None else _lists.grown(messages, _message, of),
    )


def _json(value: AnyValue) -> str | bytes:
    return raw_json(value) if value.string_value is None else value.string_value


def _repeated(value: AnyValue, cutter: Cutter) -> Run:
    # Tools and instructions are the same in call after call.
    text = value.string_value
    return Run(_split(raw_json(value), cutter)) if text is None else _lists.same(text, cutter)


def _split(found: str | bytes, cutter: Cutter) -> tuple[Part, ...]:
    """The items of a JSON list, or the one thing that stands in its place."""
    text = found if isinstance(found, str) else found.decode()
    begin = text.lstrip()[:1]
    if begin == "[":
        return tuple([(cutter, bytes(item)) for item in _as_list(found)])
    if begin in {"{", '"'}:
        _as_any(found)
        return ((cutter, text.encode("utf-8", "surrogatepass")),)
    return ((cutter, msgspec.json.encode(text)),) if begin else ()


def _old_prompt(value: AnyValue) -> tuple[Part, ...]:
    try:
        return _split(_json(value), _old_message)
    except msgspec.DecodeError:
        # This attribute never said what it holds: text may well begin with a bracket.
        return ((_old_message, msgspec.json.encode(value.string_value)),)


def _tool(raw: bytes) -> tuple[Block, ...]:
    return (tool_block(msgspec.json.decode(raw, type=dict[str, Any]), _UNMARKED),)


def _instruction(raw: bytes) -> tuple[Block, ...]:
    return (_part_block(_as_any(raw), BlockKind.SYSTEM),)


def _message(raw: bytes) -> tuple[Block, ...]:
    try:
        message = _as_message(raw)
    except msgspec.ValidationError:
        return _other_message(raw)
    return tuple(_blocks(message))


def _blocks(message: _Message) -> list[Block]:
    kind = _KINDS.get(message.role)
    if kind is None:
        raise _no_role()
    return [_part_block(part, kind) for part in message.parts if not _is_empty(part)]


def _cut_messages(text: str, cutter: Cutter) -> tuple[int, tuple[Block, ...]] | None:
    """Messages of the conventions, cut all at once; None where one of them is something else."""
    if cutter is not _message:
        return None
    try:
        messages = _as_messages(text)
        blocks = [block for message in messages for block in _blocks(message)]
    except (msgspec.DecodeError, RecursionError, RowError):
        return None
    return len(messages), tuple(blocks)


_lists = GrowingLists("[,]", _split, cut=_cut_messages)


def _other_message(raw: bytes) -> tuple[Block, ...]:
    message = _as_any(raw)
    if isinstance(message, dict) and "parts" in message:
        raise _no_role()
    return _old_message(raw)


def _no_role() -> RowError:
    return RowError(
        "calls-bad-content", "a message has no known role", gen_ai.GEN_AI_INPUT_MESSAGES
    )


def _is_empty(part: object) -> bool:
    # As with the APIs, empty text is no block.
    return isinstance(part, dict) and not part.get("content") and part.get("type") == "text"


def _part_block(part: object, kind: int) -> Block:
    if isinstance(part, str):
        return text_block(part, kind, _UNMARKED)
    if not isinstance(part, dict):
        raise RowError("calls-bad-content", "a message part is not an object", "parts")
    fields: dict[str, Any] = part
    name, content = fields.get("type"), fields.get("content")
    if name == "text" and isinstance(content, str):
        if kind == _TOOL_RESULT:
            return tool_result_block({"content": content}, _UNMARKED)
        return text_block(content, kind, _UNMARKED)
    cut = _PART_BLOCKS.get(str(name))
    if cut is not None:
        return cut(fields, _UNMARKED)
    return object_block(fields, _PART_KINDS.get(str(name), kind), _UNMARKED)


def _old_message(raw: bytes) -> tuple[Block, ...]:
    message = _as_any(raw)
    if isinstance(message, str):
        return (text_block(message, BlockKind.USER, _UNMARKED),)
    return message_blocks(raw)


def event_pieces(name: str, body: AnyValue | None, attributes: list[KeyValue]) -> Pieces:
    """What one event carries of a prompt; nothing for any other event.

    Covers ``gen_ai.user.message`` and its kin (before 1.37; the message is the body, or the
    attributes), ``gen_ai.content.prompt`` (before 1.28), and
    ``gen_ai.client.inference.operation.details`` (since 1.37).

    Raises:
        msgspec.DecodeError: an attribute is not the JSON it should be.
    """
    pieces = Pieces()
    if name in _EVENT_ROLES:
        message = _event_message(name, body, attributes)
        pieces.messages = Run(((message_blocks, msgspec.json.encode(message)),))
    elif name in _WHOLE_EVENTS:
        values = {pair.key: pair.value for pair in attributes if pair.value is not None}
        if body is not None and body.kvlist_value is not None:
            values |= {p.key: p.value for p in body.kvlist_value.values if p.value is not None}
        pieces.add_whole(values)
    return pieces


def _event_message(name: str, body: AnyValue | None, attributes: list[KeyValue]) -> dict[str, Any]:
    found = maybe_json(plain(body))
    if not isinstance(found, dict):
        values = plain_map(attributes)
        inner = maybe_json(values.get("gen_ai.event.content"))
        found = inner if isinstance(inner, dict) else values
    fields: dict[str, Any] = found
    role = _EVENT_ROLES[name]
    content = fields.get("content")
    return {
        "role": role,
        "content": content if role == "tool" else _text_or_parts(content),
        "tool_calls": maybe_json(fields.get("tool_calls")) or (),
        "tool_call_id": fields.get("id"),
    }


def _text_or_parts(content: object) -> object:
    if content is None or isinstance(content, str | list):
        return content
    return msgspec.json.encode(content).decode()
