"""Mooncake's JSON lines: arrival in milliseconds, lengths, and a number per block of the prompt.

The names Dynamo and AIPerf write count too. The block size is not in the file; the published
traces have 512 tokens, and a last block that is not full has a number as well.
Source: kvcache-ai/Mooncake, FAST25-release (Qin et al., FAST 2025).
"""

import msgspec

from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.request_traces.block_size import Usual
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["NAME", "USUAL", "Line", "fits", "stage"]

NAME = "mooncake"
USUAL = Usual(512, partial=True)


class Line(msgspec.Struct):
    """A row; lengths under the names of two writers."""

    timestamp: float | None = None
    timestamp_ms: float | None = None
    created_time: float | None = None
    input_length: int | None = None
    input_tokens: int | None = None
    output_length: int | None = None
    output_tokens: int | None = None
    hash_ids: list[int | str] | None = None
    session_id: int | str | None = None


def fits(keys: frozenset[str]) -> bool:
    """Whether a row of these keys is of this format."""
    return bool(keys & {"input_length", "hash_ids"}) and "chat_id" not in keys


def stage(row: Line, number: int, into: Staged) -> None:
    """Keep a row.

    Raises:
        RowError: ``calls-missing-field``, ``trace-no-time`` and those of :meth:`Staged.add`.
    """
    times = (row.timestamp, row.timestamp_ms, row.created_time)
    time_ms = next((each for each in times if each is not None), None)
    if time_ms is None:
        raise RowError(
            "trace-no-time",
            "no arrival: a turn that is known only by its delay after the last answer",
            "timestamp",
        )
    into.add(
        number,
        time_ms / 1000,
        (
            _either(row.input_length, row.input_tokens, "input_length"),
            _either(row.output_length, row.output_tokens, "output_length"),
        ),
        row.hash_ids,
        row.session_id,
    )


def _either(first: int | None, second: int | None, name: str) -> int:
    found = second if first is None else first
    if found is None:
        raise RowError("calls-missing-field", f"'{name}' is missing", name)
    return found
