"""What Anthropic would bill for a generated call: the generator's own, simple bookkeeping.

It knows only what the generated logs need: breakpoints in prefix order, one lifetime of five
minutes from the start of the request, entries readable once the writer's response begins.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Billing", "Block", "tokens_of"]

LIFETIME_S = 300.0
MINIMUM_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a prompt: its text as sent, and whether a breakpoint follows it."""

    text: str
    marked: bool = False


def tokens_of(size: int) -> int:
    """Tokens of so many bytes, at four bytes each."""
    return round(size / 4)


def tool_text(tool: dict[str, Any]) -> str:
    """A tool as the bytes it counts with."""
    return json.dumps(tool, sort_keys=True, separators=(",", ":"))


@dataclass(slots=True)
class Billing:
    """The cache of one workspace and model: prefix to (readable from, alive until) in seconds."""

    entries: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def usage(
        self, blocks: list[Block], start_s: float, ttft_s: float, output: int
    ) -> dict[str, int]:
        """The usage counters of a call; calls must come in order of time."""
        marks, size, digest = list[tuple[str, int]](), 0, hashlib.sha256()
        for block in blocks:
            size += len(block.text.encode())
            digest.update(block.text.encode() + b"\0")
            if block.marked and tokens_of(size) >= MINIMUM_TOKENS:
                marks.append((digest.hexdigest(), tokens_of(size)))
        total, read = tokens_of(size), 0
        for prefix, depth in reversed(marks):
            readable, until = self.entries.get(prefix, (0.0, -1.0))
            if readable <= start_s <= until:
                self.entries[prefix] = (readable, start_s + LIFETIME_S)
                read = depth
                break
        written = max([depth for _, depth in marks], default=0)
        for prefix, depth in marks:
            if depth > read:
                alive = self.entries.get(prefix, (0.0, -1.0))
                since = min(alive[0], start_s + ttft_s) if alive[1] >= start_s else start_s + ttft_s
                self.entries[prefix] = (since, start_s + LIFETIME_S)
        written = max(written, read)
        return {
            "input_tokens": total - written,
            "cache_creation_input_tokens": written - read,
            "cache_read_input_tokens": read,
            "output_tokens": output,
        }
