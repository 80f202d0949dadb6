"""What a reader makes of a line: calls, rows to be joined to calls, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from llmops_cli.traffic.prompts import Part, Run
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Calls", "Found", "Place", "Skipped"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is rightly no call: a tool's span, a user's line, an answer from a proxy's cache.

    Attributes:
        name: what it is, in the plural, for the count.
    """

    name: str


Place = tuple[str, int]
"""File and line."""


class Calls(msgspec.Struct, frozen=True, gc=False):
    """Calls that are rows of the staged table already.

    Attributes:
        rows: their plain columns, in their order.
        prompts: the runs of their prompts.
    """

    rows: list[tuple[Any, ...]]
    prompts: list[tuple[Run, ...]]


Found = tuple[dict[str, Any], Sequence[Part]] | RowError | Skipped | Calls
"""The columns of a row with the raw parts of its prompt, or why there are none."""
