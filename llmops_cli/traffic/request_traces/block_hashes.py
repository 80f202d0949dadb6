"""Requests as a vLLM engine knows them: one hash per full block, none for the rest.

JSON lines with ``arrival_time`` in seconds, ``num_prompt_tokens``, ``num_output_tokens``,
``block_hashes`` (numbers or hexadecimal text) and, where it is told, ``block_size``.
"""

import msgspec

from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.request_traces.block_size import Usual
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["NAME", "USUAL", "Line", "fits", "stage"]

NAME = "block-hashes"
USUAL = Usual(16, partial=False)


class Line(msgspec.Struct):
    """A row; counters under the names of the engine and of its API."""

    arrival_time: float
    block_hashes: list[int | str] | None = None
    num_prompt_tokens: int | None = None
    prompt_tokens: int | None = None
    num_output_tokens: int | None = None
    completion_tokens: int | None = None
    block_size: int | None = None
    session_id: int | str | None = None


def fits(keys: frozenset[str]) -> bool:
    """Whether a row of these keys is of this format."""
    return {"arrival_time", "block_hashes"} <= keys


def stage(row: Line, number: int, into: Staged) -> None:
    """Keep a row.

    Raises:
        RowError: ``calls-missing-field``, ``trace-two-block-sizes`` and those of
            :meth:`Staged.add`.
    """
    into.say_block_size(row.block_size)
    into.add(
        number,
        row.arrival_time,
        (
            _either(row.num_prompt_tokens, row.prompt_tokens, "num_prompt_tokens"),
            _either(row.num_output_tokens, row.completion_tokens, "num_output_tokens"),
        ),
        row.block_hashes,
        row.session_id,
        names=("arrival_time", "num_prompt_tokens", "num_output_tokens"),
    )


def _either(first: int | None, second: int | None, name: str) -> int:
    found = second if first is None else first
    if found is None:
        raise RowError("calls-missing-field", f"'{name}' is missing", name)
    return found
