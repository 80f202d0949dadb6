"""What may differ between Anthropic Messages lines that are read together."""

import numpy as np

from llmops_cli.traffic import anthropic_messages
from llmops_cli.traffic.anthropic_messages import Line, Metadata, Request, Response
from llmops_cli.traffic.anthropic_usage import CacheCreation, OutputDetails, Usage
from llmops_cli.traffic.envelope import MOST_TOKENS
from llmops_cli.traffic.layouts import Counted, Counts, Layout
from llmops_cli.traffic.places import EACH, Path

__all__ = ["LAYOUT"]

_USAGE: Path = ("response", "usage")
_SPLIT: Path = (*_USAGE, "cache_creation")
_THOUGHT: Path = (*_USAGE, "output_tokens_details", "thinking_tokens")


def counted(line: Line, counts: Counts) -> Counted | None:
    """The counters as our classes, as ``usage_columns`` of :mod:`anthropic_usage` has them.

    Inferences behind a response are left to that function.
    """
    usage = line.response.usage if isinstance(line.response, Response) else None
    if usage is None:
        return {}, np.ones(1, np.bool_)
    if usage.iterations:
        return None
    fresh, output = counts[*_USAGE, "input_tokens"], _count(counts, "output_tokens")
    written = counts.get((*_USAGE, "cache_creation_input_tokens"))
    sound = np.ones(len(fresh), np.bool_)
    if usage.cache_creation is None:
        short, long = _count(counts, "cache_creation_input_tokens"), np.zeros_like(fresh)
    else:
        short, long = (
            counts.get((*_SPLIT, f"ephemeral_{life}_input_tokens"), np.zeros_like(fresh))
            for life in ("5m", "1h")
        )
        sound &= True if written is None else written == short + long
    columns = {
        "input_tokens": fresh,
        "cache_read_tokens": _count(counts, "cache_read_input_tokens"),
        "cache_write_5m_tokens": short,
        "cache_write_1h_tokens": long,
        "output_tokens": output,
    }
    if _THOUGHT in counts:
        columns["reasoning_tokens"] = counts[_THOUGHT]
        sound &= counts[_THOUGHT] <= output
    for each in columns.values():
        sound &= each <= MOST_TOKENS
    return columns, sound


def _count(counts: Counts, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found = counts.get((*_USAGE, name))
    return np.zeros_like(counts[*_USAGE, "input_tokens"]) if found is None else found


LAYOUT = Layout(
    module=anthropic_messages,
    types={
        (): Line,
        ("request",): Request,
        ("request", "metadata"): Metadata,
        ("response",): Response,
        ("response", "error"): anthropic_messages.Failure,
        _USAGE: Usage,
        _SPLIT: CacheCreation,
        _THOUGHT[:-1]: OutputDetails,
    },
    texts=frozenset(
        {
            ("request", "model"),
            ("request", "metadata", "user_id"),
            ("response", "id"),
            ("response", "model"),
            ("response", "stop_reason"),
            (*_USAGE, "service_tier"),
        }
    ),
    times=frozenset(),
    counts=frozenset(
        {
            (*_USAGE, "input_tokens"),
            (*_USAGE, "output_tokens"),
            (*_USAGE, "cache_read_input_tokens"),
            (*_USAGE, "cache_creation_input_tokens"),
            (*_SPLIT, "ephemeral_5m_input_tokens"),
            (*_SPLIT, "ephemeral_1h_input_tokens"),
            _THOUGHT,
        }
    ),
    prompts=frozenset(
        {
            ("request", "system"),
            ("request", "system", EACH, "text"),
            ("request", "messages", EACH, "content"),
            ("request", "messages", EACH, "content", EACH, "text"),
        }
    ),
    counted=counted,
)
"""Who, when, how many, and the texts of the prompt; tools, roles and markers are the same."""
