"""Alibaba's Bailian traces: as Mooncake's, with arrival in seconds and turns of a chat.

A block has 16 tokens; each row names the row of the turn before it.
Source: alibaba-edu/qwen-bailian-usagetraces-anon (Wang et al., USENIX ATC 2025).
"""

import msgspec

from llmops_cli.traffic.request_traces.block_size import Usual
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["NAME", "USUAL", "Line", "fits", "stage"]

NAME = "bailian"
USUAL = Usual(16, partial=True)

_ROOT = -1


class Line(msgspec.Struct):
    """A row."""

    chat_id: int
    timestamp: float
    input_length: int
    output_length: int
    parent_chat_id: int = _ROOT
    hash_ids: list[int | str] | None = None


def fits(keys: frozenset[str]) -> bool:
    """Whether a row of these keys is of this format."""
    return {"chat_id", "input_length"} <= keys


def stage(row: Line, number: int, into: Staged) -> None:
    """Keep a row.

    Raises:
        RowError: those of :meth:`Staged.add`.
    """
    chat = into.root_of(row.chat_id, None if row.parent_chat_id == _ROOT else row.parent_chat_id)
    into.add(number, row.timestamp, (row.input_length, row.output_length), row.hash_ids, chat)
