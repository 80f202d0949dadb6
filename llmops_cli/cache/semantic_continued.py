"""Answers that a log does not hold with their calls, found in the next turn of the conversation.

A chat is sent again with every turn: the prompt that goes on where an earlier one ended begins
with what that call was answered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Turn", "answers_of_next_turns", "spoken"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt: a digest of it, one of what comes before the assistant's last words, and these.

    ``before`` is empty where the assistant has not spoken yet.
    """

    prompt: bytes
    before: bytes = b""
    said: str = ""


def answers_of_next_turns(turns: Sequence[Turn | None], who: Sequence[str]) -> list[str]:
    """The answer to each prompt that another one continues; empty for the others.

    Args:
        turns: the prompts in the order of the log; None for one that could not be read.
        who: the conversation of each, empty where it is not named. A prompt that was sent twice in
            one conversation has no answer here: nobody can tell whose it is.
    """
    keys = [turn and (name, turn.prompt) for turn, name in zip(turns, who, strict=True)]
    sent = Counter(key for key in keys if key)
    found = dict[tuple[str, bytes], str]()
    for turn, name in zip(turns, who, strict=True):
        if turn and turn.before and sent[name, turn.before] == 1:
            found.setdefault((name, turn.before), turn.said)
    return [found.get(key, "") if key else "" for key in keys]


def spoken(message: object) -> str | None:
    """What an assistant's message says, a line for each call of a tool; None for another's."""
    if not isinstance(message, dict):
        return None
    fields: Mapping[str, Any] = message
    if fields.get("role") != "assistant":
        return None
    content = fields.get("content", fields.get("parts"))
    parts = list[Any](content) if isinstance(content, list) else [content]
    parts += fields.get("tool_calls") or []
    return "\n".join(words for part in parts if (words := _words(part)))


def _words(part: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    kind = str(part.get("type", "text"))
    if kind in {"thinking", "redacted_thinking", "reasoning"}:
        return ""
    text = part.get("text", part.get("content"))
    if kind.endswith("text") and isinstance(text, str):
        return text
    # A tool is called by an id of its own each time; the rest of the call is what it says.
    bare = {name: value for name, value in part.items() if name not in {"id", "cache_control"}}
    return msgspec.json.encode(bare, order="sorted").decode()
