"""The events of an Anthropic stream put together: text, tool calls, thinking, stop, usage."""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["AnthropicAssembly"]


class AnthropicAssembly:
    """One message.

    Source:
        Anthropic Messages API, streaming: message_start, content_block_start/delta/stop,
        message_delta, message_stop; ping at any time.
    """

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self.id = self.model = ""
        self.stop_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self.begun = self.whole = self.ended = False

    def add(self, event: Any) -> None:  # noqa: ANN401 - an SDK's event
        """Take the next event."""
        data: dict[str, Any] = event.model_dump(exclude_none=True)
        kind = data["type"]
        if kind == "message_start":
            message = data["message"]
            self.id, self.model = message["id"], message["model"]
            self.usage |= message.get("usage") or {}
        elif kind == "content_block_start":
            self.blocks.append(dict(data["content_block"]))
        elif kind == "content_block_delta":
            self.begun = True
            _grown(self.blocks[data["index"]], data["delta"])
        elif kind == "message_delta":
            self.stop_reason = data["delta"].get("stop_reason") or self.stop_reason
            self.usage |= data.get("usage") or {}
        elif kind == "message_stop":
            self.whole = self.ended = True

    @property
    def text(self) -> str:
        """What was said."""
        return "".join(item.get("text", "") for item in self.blocks if item["type"] == "text")

    @property
    def body(self) -> Mapping[str, Any]:
        """The message as it would have come whole."""
        content = [_closed(item) for item in self.blocks]
        return {"role": "assistant", "content": content}


def _grown(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    kind = delta["type"]
    for name, of in (("text", "text_delta"), ("thinking", "thinking_delta")):
        if kind == of:
            block[name] = block.get(name, "") + delta[name]
    if kind == "signature_delta":
        block["signature"] = delta["signature"]
    elif kind == "input_json_delta":
        block["partial"] = block.get("partial", "") + delta["partial_json"]


def _closed(block: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in block.items() if name != "partial"}
    if block.get("partial"):
        found["input"] = msgspec.json.decode(block["partial"])
    return found
