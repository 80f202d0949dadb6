"""What a format says of its simple lines: which values may differ, and what they become.

Everything else that the row reader looks at must be the same in all lines that are read together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.places import EACH, Path, Place

__all__ = ["ENVELOPE_TEXTS", "Counted", "Counts", "Layout", "Use"]

Counts = Mapping[Path, npt.NDArray[np.int64]]
"""The counters of some lines, by path."""

Counted = tuple[dict[str, npt.NDArray[np.int64]], npt.NDArray[np.bool_]]
"""Columns of the calls table, and which lines do not contradict themselves."""

ENVELOPE_TEXTS = frozenset(
    {
        "conversation_id",
        "session_id",
        "thread_id",
        "user_id",
        "user",
        "workspace",
        "workspace_id",
        "organization_id",
        "task",
        "provider",
        "request_id",
    }
)
_TIMES = frozenset({"timestamp", "start_time", "created_at", "time", "ts"})
_TELLING = frozenset({"type", "object", "call_type"})
"""Names by which formats are told apart: what they say never differs."""

_SECONDS = frozenset(
    {
        "duration_s",
        "duration_ms",
        "latency_s",
        "latency_ms",
        "ttft_s",
        "ttft_ms",
        "evaluation_score",
        "score",
    }
)


class Use(StrEnum):
    """What the row reader does with a value."""

    NOTHING = "nothing"
    TEXT = "text"
    TIME = "time"
    SECONDS = "seconds"
    COUNT = "count"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Layout:
    """The values of a format.

    Attributes:
        module: the format's row reader.
        types: its structs by path; what is no field of them, it never sees.
        texts: texts that become a column as they are, beside those of the envelope.
        times: instants beside those of the envelope.
        counts: where token counters stand.
        prompts: texts that become a block of the prompt each.
        counted: makes columns of the counters, given the typed line they were first seen in;
            None where they are not to be read together.
    """

    module: ModuleType
    types: Mapping[Path, type[msgspec.Struct]]
    texts: frozenset[Path]
    times: frozenset[Path]
    counts: frozenset[Path]
    prompts: frozenset[Path]
    counted: Callable[[Any, Counts], Counted | None]

    def use(self, place: Place) -> Use | None:
        """What becomes of a value; None where it must not differ."""
        path = place.path
        if self._unseen(path):
            return Use.NOTHING
        alone = path[0] if len(path) == 1 else None
        if alone in _TIMES or path in self.times:
            return Use.TIME
        if not place.is_text:
            seconds = Use.SECONDS if alone in _SECONDS else None
            return Use.COUNT if path in self.counts else seconds
        if alone in ENVELOPE_TEXTS or path in self.texts:
            return Use.TEXT
        return Use.PROMPT if path in self.prompts else None

    def _unseen(self, path: Path) -> bool:
        for depth, key in enumerate(path):
            if key == EACH:
                continue
            known = self.types.get(path[:depth])
            if known is None:
                return False
            if key not in known.__struct_encode_fields__:
                return path[-1] not in _TELLING
        return False
