"""Prompts of any API in the message JSON of OpenTelemetry's conventions.

Shapes: the conventions' JSON schemas of input messages, system instructions and tool
definitions. What they have no part for keeps its own type, as their generic part allows.
Texts, tool calls and tool results become the same blocks as in the words of the API; cache
breakpoints have no place there.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.traffic.kept import Kept

__all__ = ["attributes", "message", "output_message"]

Fields = dict[str, Any]


def attributes(kept: Kept) -> dict[str, str]:
    """The attributes that hold a prompt, as JSON text; none for what is not in it."""
    found = {
        gen_ai.GEN_AI_TOOL_DEFINITIONS: [_tool(_decoded(raw)) for raw in kept.tools],
        gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS: _parts([_decoded(raw) for raw in kept.system]),
        gen_ai.GEN_AI_INPUT_MESSAGES: [message(_decoded(raw)) for raw in kept.messages],
    }
    return {name: msgspec.json.encode(items).decode() for name, items in found.items() if items}


def _decoded(raw: msgspec.Raw) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(raw)


def _tool(tool: object) -> Fields:
    fields = _fields(tool)
    fields |= _fields(fields.pop("function", None)) | _fields(fields.pop("toolSpec", None))
    if isinstance(schema := fields.pop("inputSchema", None), dict):
        fields["parameters"] = schema.get("json")
    if "input_schema" in fields:
        fields["parameters"] = fields.pop("input_schema")
    if isinstance(said := fields.get("parameters"), str):
        fields["parameters"] = _json_or_text(said)
    kind = fields.pop("type", None)
    kind = "function" if kind in (None, "custom") else str(kind)
    return {"type": kind, "name": str(fields.pop("name", kind)), **fields}


def _fields(value: object) -> Fields:
    """A copy of an object without its cache breakpoint; empty for anything else."""
    if not isinstance(value, dict):
        return {}
    return {str(name): item for name, item in value.items() if name != "cache_control"}


def _json_or_text(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def message(said: object) -> Fields:
    """One message, or one item of a prompt that is no message by itself."""
    fields = _fields(said)
    if "role" not in fields:
        return _item(said, fields)
    if isinstance(fields.get("parts"), list):
        return fields
    role = "tool" if fields["role"] == "function" else str(fields["role"])
    content = fields.get("content")
    if role == "tool":
        parts = [_answer({**fields, "id": fields.get("tool_call_id") or fields.get("id")})]
    else:
        parts = _parts(content if isinstance(content, list) else [content])
        parts += [_call(_fields(call)) for call in fields.get("tool_calls") or ()]
    named = {"name": fields["name"]} if isinstance(fields.get("name"), str) else {}
    return {"role": role, "parts": parts, **named}


def output_message(said: object, finish_reason: str | None) -> Fields:
    """One answer of a model."""
    fields = _fields(said)
    found = message({"role": "assistant", **fields})
    return {**found, "finish_reason": finish_reason or "error"}


def _item(said: object, fields: Fields) -> Fields:
    """What OpenAI's Responses lists among messages, or whatever else a team sends."""
    kind = str(fields.get("type"))
    if kind.endswith("_call_output"):
        answer = {**fields, "id": fields.get("call_id"), "content": fields.get("output")}
        return {"role": "tool", "parts": [_answer(answer)]}
    if kind in {"function_call", "custom_tool_call"}:
        return {"role": "assistant", "parts": [_call(fields)]}
    role = "assistant" if kind == "reasoning" else "user"
    return {"role": role, "parts": _parts([said])}


def _parts(items: list[Any]) -> list[Fields]:
    return [_part(item) for item in items if item not in (None, "") and not _is_empty(item)]


def _is_empty(item: object) -> bool:
    """Whether it is a cache breakpoint, or the mere word that something stands elsewhere."""
    return isinstance(item, dict) and ("cachePoint" in item or item.keys() <= {"type"})


def _part(item: object) -> Fields:
    if not isinstance(item, dict):
        return {"type": "text", "content": item if isinstance(item, str) else str(item)}
    fields = _fields(item)
    kind = str(fields.get("type", ""))
    text = fields.get("text")
    if isinstance(text, str) and (kind.endswith("text") or not kind):
        return {"type": "text", "content": text}
    if kind in _TRANSLATED:
        return _TRANSLATED[kind](fields)
    if kind.endswith("tool_use"):
        return _call(fields)
    if kind.endswith("tool_result"):
        return _answer({**fields, "id": fields.get("tool_use_id")})
    return _bedrock(fields) if not kind else {**fields, "type": kind}


def _bedrock(fields: Fields) -> Fields:
    # Bedrock's Converse names a block by its only key.
    if isinstance(use := fields.get("toolUse"), dict):
        return _call({**use, "id": use.get("toolUseId")})
    if isinstance(result := fields.get("toolResult"), dict):
        return _answer({**result, "id": result.get("toolUseId")})
    return {"type": next(iter(fields), "object"), **fields}


def _call(call: Fields) -> Fields:
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    given = inner.get("arguments") if inner.get("arguments") is not None else inner.get("input")
    return {
        "type": "tool_call",
        "id": call.get("call_id") or call.get("id"),
        "name": str(inner.get("name")),
        "arguments": _json_or_text(given) if isinstance(given, str) else given,
    }


def _answer(answer: Fields) -> Fields:
    failed = {"is_error": True} if answer.get("is_error") is True else {}
    found = {"type": "tool_call_response", "id": answer.get("id")}
    return {**found, "response": answer.get("content"), **failed}


def _thinking(fields: Fields) -> Fields:
    signed = {"signature": fields["signature"]} if "signature" in fields else {}
    return {"type": "reasoning", "content": str(fields.get("thinking", "")), **signed}


def _reasoning(fields: Fields) -> Fields:
    if isinstance(fields.get("content"), str):
        return fields
    said = fields.get("summary") or fields.get("content") or ()
    texts = [str(_fields(item).get("text", "")) for item in said if isinstance(item, dict)]
    return {**fields, "content": "\n".join(texts)}


def _anthropic_media(fields: Fields) -> Fields:
    modality, source = str(fields["type"]), _fields(fields.get("source"))
    mime = {"mime_type": source["media_type"]} if "media_type" in source else {}
    if isinstance(source.get("data"), str):
        return {"type": "blob", "modality": modality, **mime, "content": source["data"]}
    if isinstance(source.get("file_id"), str):
        return {"type": "file", "modality": modality, "file_id": source["file_id"]}
    return _addressed(modality, source.get("url"), fields)


def _openai_image(fields: Fields) -> Fields:
    where = fields.get("image_url")
    if isinstance(fields.get("file_id"), str):
        return {"type": "file", "modality": "image", "file_id": fields["file_id"]}
    return _addressed("image", _fields(where).get("url", where), fields)


def _openai_audio(fields: Fields) -> Fields:
    audio = _fields(fields.get("input_audio"))
    mime = f"audio/{audio.get('format', 'wav')}"
    content = str(audio.get("data", ""))
    return {"type": "blob", "modality": "audio", "mime_type": mime, "content": content}


def _addressed(modality: str, where: object, fields: Fields) -> Fields:
    """Media behind an address; a data address holds them itself."""
    if not isinstance(where, str):
        return fields
    head, comma, data = where.partition(";base64,")
    if comma and head.startswith("data:"):
        mime = head.removeprefix("data:")
        return {"type": "blob", "modality": modality, "mime_type": mime, "content": data}
    return {"type": "uri", "modality": modality, "uri": where}


_TRANSLATED: dict[str, Callable[[Fields], Fields]] = {
    "thinking": _thinking,
    "reasoning": _reasoning,
    "image": _anthropic_media,
    "document": _anthropic_media,
    "image_url": _openai_image,
    "input_image": _openai_image,
    "input_audio": _openai_audio,
}
