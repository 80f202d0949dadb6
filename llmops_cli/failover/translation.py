"""A logged prompt in the words of another API: what of it moves, and what does not.

Nothing is dropped in silence: what changes is flagged, what cannot be carried over is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ANTHROPIC",
    "FLAGGED",
    "OPENAI",
    "REFUSED",
    "Logged",
    "Moved",
    "Problem",
    "Problems",
    "as_logged",
    "image_source",
    "plain_text",
    "text_block",
]

ANTHROPIC, OPENAI = "anthropic", "openai"
"""The two APIs: Anthropic's Messages, and OpenAI's Chat Completions, which most others speak."""

REFUSED, FLAGGED = "refused", "flagged"
"""A refused request cannot move; a flagged one moves, and is not quite the same."""

_DATA = "data:"

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not move.

    Attributes:
        slug: stable name.
        weight: :data:`REFUSED` or :data:`FLAGGED`.
    """

    slug: str
    weight: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A prompt as it was logged, in the words of its API.

    Attributes:
        tools: their definitions.
        system: blocks or texts that stand apart.
        messages: in their order.
        problems: of what the log keeps of it.
    """

    tools: Sequence[Message]
    system: Sequence[Any]
    messages: Sequence[Message]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """The same prompt for another API.

    Attributes:
        body: ``messages`` and, where there are any, ``tools`` and ``system``.
        problems: in the order they were met, each once.
    """

    body: Mapping[str, Any]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> bool:
        """Whether it cannot be sent."""
        return any(item.weight == REFUSED for item in self.problems)


@dataclass(slots=True)
class Problems:
    """Collects problems, each once."""

    found: dict[str, Problem] = field(default_factory=dict[str, Problem])

    def refuse(self, slug: str) -> None:
        """It cannot move."""
        self.found.setdefault(slug, Problem(slug, REFUSED))

    def flag(self, slug: str) -> None:
        """It moves, changed."""
        self.found.setdefault(slug, Problem(slug, FLAGGED))

    def all(self) -> tuple[Problem, ...]:
        """In the order they were met."""
        return tuple(self.found.values())


def text_block(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Text of OpenAI's Responses, of Bedrock's Converse and of OpenTelemetry; the rest as it is."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    text = part.get("content") if kind == "text" and "text" not in part else part.get("text")
    foreign = kind in {"input_text", "output_text"} or set(part) in ({"text"}, {"type", "content"})
    return {"type": "text", "text": text} if foreign and isinstance(text, str) else part


def image_source(image: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """An image's address or data as Anthropic's API takes it; None where it has neither.

    Args:
        image: an address, or OpenAI's object with one; data as a ``data:`` address.
    """
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        return None
    if not url.startswith(_DATA):
        return {"type": "url", "url": url}
    head, _, data = url.removeprefix(_DATA).partition(",")
    return {"type": "base64", "media_type": head.partition(";")[0], "data": data}


def as_logged(logged: Logged, *, system_apart: bool) -> Mapping[str, Any]:
    """The body for the API that it was logged in.

    Args:
        logged: the prompt.
        system_apart: whether that API takes the system prompt beside the messages.
    """
    body: dict[str, Any] = {"messages": list(logged.messages)}
    blocks = [{"type": "text", "text": i} if isinstance(i, str) else i for i in logged.system]
    if blocks and system_apart:
        body["system"] = blocks
    elif blocks:
        body["messages"] = [{"role": "system", "content": blocks}, *logged.messages]
    return body | ({"tools": list(logged.tools)} if logged.tools else {})


def plain_text(content: Any) -> str | None:  # noqa: ANN401 - JSON
    """The text of a content that is nothing else; None where there is more to it."""
    if isinstance(content, str):
        return content
    parts = [content] if isinstance(content, dict) else content
    if not isinstance(parts, list):
        return None
    texts = [
        item if isinstance(item, str) else item["text"]
        for item in parts
        if isinstance(item, str)
        or (
            isinstance(item, dict)
            and item.get("type") in {"text", "input_text", "output_text"}
            and isinstance(item.get("text"), str)
        )
    ]
    return "".join(texts) if len(texts) == len(parts) else None
