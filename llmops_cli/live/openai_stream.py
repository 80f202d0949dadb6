"""The chunks of an OpenAI chat stream put together: text, tool calls, refusal, finish, usage."""

from collections.abc import Mapping
from typing import Any

__all__ = ["OpenAIAssembly"]


class OpenAIAssembly:
    """One choice.

    Source:
        OpenAI Chat Completions, streaming with ``stream_options.include_usage``: the usage comes
        after the last choice, in a chunk of its own. ``[DONE]`` is not waited for.
    """

    def __init__(self) -> None:
        self.id = self.model = self.text = self.refusal = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.service_tier: str | None = None
        self.begun = False
        self._calls: dict[int, dict[str, Any]] = {}

    @property
    def ended(self) -> bool:
        """Whether the provider has said how it ends."""
        return self.finish_reason is not None

    @property
    def whole(self) -> bool:
        """Whether nothing more is to come."""
        return self.ended and self.usage is not None

    def add(self, event: Any) -> None:  # noqa: ANN401 - an SDK's chunk
        """Take the next chunk."""
        data: dict[str, Any] = event.model_dump(exclude_none=True)
        self.id, self.model = data.get("id") or self.id, data.get("model") or self.model
        self.service_tier = data.get("service_tier") or self.service_tier
        self.usage = data.get("usage") or self.usage
        for choice in data.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._grow(choice.get("delta") or {})
                self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def _grow(self, delta: Mapping[str, Any]) -> None:
        self.text += delta.get("content") or ""
        self.refusal += delta.get("refusal") or ""
        for part in delta.get("tool_calls") or ():
            call = self._calls.setdefault(
                part["index"], {"type": "function", "function": {"name": "", "arguments": ""}}
            )
            call["id"] = part.get("id") or call.get("id", "")
            for name, value in (part.get("function") or {}).items():
                call["function"][name] = call["function"].get(name, "") + value
        self.begun = self.begun or bool(self.text or self.refusal or self._calls)

    @property
    def body(self) -> Mapping[str, Any]:
        """The message as it would have come whole."""
        found: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.refusal:
            found["refusal"] = self.refusal
        if self._calls:
            found["tool_calls"] = [self._calls[place] for place in sorted(self._calls)]
        return found
