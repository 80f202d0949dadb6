"""What may differ between OpenAI lines that are read together, of Chat and of Responses."""

from collections.abc import Iterable

import numpy as np

from llmops_cli.traffic import openai_chat, openai_responses
from llmops_cli.traffic.envelope import Failure
from llmops_cli.traffic.layouts import Counted, Counts, Layout
from llmops_cli.traffic.places import EACH, Path

__all__ = ["CHAT", "RESPONSES"]

_USAGE: Path = ("response", "usage")


def _counted(counts: Counts, given_name: str, output_name: str) -> Counted:
    """OpenAI's counters as disjoint classes, as ``counted`` of :mod:`openai_chat` has them."""
    given = counts[*_USAGE, given_name]
    none = np.zeros_like(given)
    output = counts.get((*_USAGE, output_name), none)
    inside: Path = (*_USAGE, f"{given_name}_details")
    read = counts.get((*inside, "cached_tokens"), none)
    written = counts.get((*inside, "cache_write_tokens"), none)
    columns = {
        "input_tokens": given - read - written,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": written,
        "cache_write_1h_tokens": none,
        "output_tokens": output,
    }
    sound = read + written <= given
    reasoning = counts.get((*_USAGE, f"{output_name}_details", "reasoning_tokens"))
    if reasoning is not None:
        columns["reasoning_tokens"] = reasoning
        sound &= reasoning <= output
    return columns, sound


def _chat_counted(line: openai_chat.Line, counts: Counts) -> Counted | None:
    response = line.response
    if isinstance(response, openai_chat.Response) and response.usage is not None:
        return _counted(counts, "prompt_tokens", "completion_tokens")
    return {}, np.ones(1, np.bool_)


def _responses_counted(line: openai_responses.Line, counts: Counts) -> Counted | None:
    response = line.response
    if isinstance(response, openai_responses.Response) and response.usage is not None:
        return _counted(counts, "input_tokens", "output_tokens")
    return {}, np.ones(1, np.bool_)


def _counters(given: str, output: str) -> frozenset[Path]:
    return frozenset(
        {
            (*_USAGE, given),
            (*_USAGE, output),
            (*_USAGE, f"{given}_details", "cached_tokens"),
            (*_USAGE, f"{given}_details", "cache_write_tokens"),
            (*_USAGE, f"{output}_details", "reasoning_tokens"),
        }
    )


def _texts(*more: Path) -> frozenset[Path]:
    names = ("id", "model", "service_tier")
    asked: Iterable[Path] = [("request", name) for name in ("model", "user")]
    return frozenset({*asked, *(("response", name) for name in names), *more})


CHAT = Layout(
    module=openai_chat,
    types={
        (): openai_chat.Line,
        ("request",): openai_chat.Request,
        ("response",): openai_chat.Response,
        ("response", "error"): Failure,
        ("response", "choices", EACH): openai_chat.Choice,
        _USAGE: openai_chat.Usage,
        (*_USAGE, "prompt_tokens_details"): openai_chat.InputDetails,
        (*_USAGE, "completion_tokens_details"): openai_chat.OutputDetails,
    },
    texts=_texts(("response", "choices", EACH, "finish_reason")),
    times=frozenset({("response", "created")}),
    counts=_counters("prompt_tokens", "completion_tokens"),
    prompts=frozenset(
        {
            ("request", "messages", EACH, "content"),
            ("request", "messages", EACH, "content", EACH, "text"),
        }
    ),
    counted=_chat_counted,
)
"""Chat Completions: tools, roles and calls of tools are the same."""

RESPONSES = Layout(
    module=openai_responses,
    types={
        (): openai_responses.Line,
        ("request",): openai_responses.Request,
        ("response",): openai_responses.Response,
        ("response", "error"): Failure,
        _USAGE: openai_responses.Usage,
        (*_USAGE, "input_tokens_details"): openai_chat.InputDetails,
        (*_USAGE, "output_tokens_details"): openai_chat.OutputDetails,
    },
    texts=_texts(("response", "status")),
    times=frozenset({("response", "created_at")}),
    counts=_counters("input_tokens", "output_tokens"),
    prompts=frozenset(
        {
            ("request", "instructions"),
            ("request", "input"),
            ("request", "input", EACH, "content"),
            ("request", "input", EACH, "content", EACH, "text"),
        }
    ),
    counted=_responses_counted,
)
"""Responses: tools, roles and types of items are the same."""
