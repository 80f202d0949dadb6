"""One kept prompt cut up: the question, a digest of everything before it, and the turn it is."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from llmops_cli.cache.semantic_continued import Turn, spoken

__all__ = ["Read", "Reader"]

_MEMORY = 100_000
_DIGEST = 16


class _Content(msgspec.Struct):
    # As `llmops ingest --keep-content` writes it.
    tools: list[msgspec.Raw] = []
    system: list[msgspec.Raw] = []
    messages: list[msgspec.Raw] = []
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """What was found: a reason why it is no question, or its words, context and answer.

    Attributes:
        reason: slug of why the call is left out; empty where it is not.
        context: digest of all that must be the same before the question.
        text: the question.
        answer: as kept with the call.
        turn: the prompt as one turn of a conversation, where it could be read.
    """

    reason: str = ""
    context: bytes = b""
    text: str = ""
    answer: str = ""
    turn: Turn | None = None


class Reader:
    """Cuts prompts; each message is hashed once, however often its conversation repeats it."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def read(self, content: str) -> Read:
        """One value of the column ``content``."""
        try:
            kept = msgspec.json.decode(content, type=_Content)
            if not kept.messages:
                return Read("semantic-no-question")
            turn, asked = self._turn(kept), _question(msgspec.json.decode(kept.messages[-1]))
        except (msgspec.DecodeError, RecursionError):
            return Read("semantic-bad-content")
        if asked is None:
            return Read("semantic-no-question", turn=turn)
        text, beside = asked
        if not text.strip():
            reason = "semantic-no-question" if beside else "semantic-empty-question"
            return Read(reason, turn=turn)
        context = self._prefix(kept, len(kept.messages) - 1, _canonical(beside))
        return Read("", context, text, kept.answer, turn)

    def _turn(self, kept: _Content) -> Turn:
        whole = self._prefix(kept, len(kept.messages))
        # What comes after the assistant's last words is of the user or of tools.
        for at in range(len(kept.messages) - 1, -1, -1):
            said = spoken(msgspec.json.decode(kept.messages[at]))
            if said is not None:
                return Turn(whole, self._prefix(kept, at), said)
        return Turn(whole)

    def _prefix(self, kept: _Content, messages: int, more: bytes = b"") -> bytes:
        whole = blake2b(digest_size=_DIGEST)
        for part in (kept.tools, kept.system, kept.messages[:messages]):
            whole.update(b"%d;" % len(part))
            for raw in part:
                whole.update(self._digest(bytes(raw)))
        whole.update(more)
        return whole.digest()

    def _digest(self, raw: bytes) -> bytes:
        found = self._known.get(raw)
        if found is None:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            data = _canonical(_unmarked(msgspec.json.decode(raw)))
            found = self._known[raw] = blake2b(data, digest_size=_DIGEST).digest()
        return found


def _question(message: object) -> tuple[str, list[Any]] | None:
    """The words of a user's message, and what stands beside them; None for another's."""
    if isinstance(message, str):
        return message, []
    if not isinstance(message, dict) or message.get("role") != "user":
        return None
    content = message.get("content", message.get("parts"))
    words, beside = list[str](), list[Any]()
    for part in content if isinstance(content, list) else [content]:
        text = _words(part)
        if text is None and part is not None:
            beside.append(_unmarked(part))
        elif text is not None:
            words.append(text)
    return "\n".join(words), beside


def _words(part: object) -> str | None:
    if not isinstance(part, dict):
        return part if isinstance(part, str) else None
    if not str(part.get("type", "text")).endswith("text"):
        return None
    text = part.get("text", part.get("content"))
    return text if isinstance(text, str) else None


def _unmarked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Without cache markers, which clients move from call to call."""
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if not isinstance(value, dict):
        return value
    bare = {name: item for name, item in value.items() if name != "cache_control"}
    return bare | {"content": _unmarked(bare["content"])} if "content" in bare else bare


def _canonical(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
