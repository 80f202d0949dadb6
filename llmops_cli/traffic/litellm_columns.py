"""Many LiteLLM lines at once: the simple ones as columns, without a row in between.

Simple is a line whose row needs no second thought: no prompt was logged with it, its times are
numbers, and its counters, if the call succeeded, can be read in one way only. Its columns hold
what :func:`litellm.rows` would have put there; every other line is left to that function.
"""

# pyright: reportAttributeAccessIssue=false

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.traffic.envelope import instants
from llmops_cli.traffic.litellm import (
    NOBODY,
    NOTHING,
    Line,
    Metadata,
    Response,
    error,
    named,
    prompted,
    session,
)
from llmops_cli.traffic.litellm_usage import (
    NO_INPUT,
    NO_OUTPUT,
    InputDetails,
    UsageObject,
    may_exclude,
)

__all__ = ["columns"]

Columns = dict[str, pa.Array]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_UNCOUNTED = UsageObject()
_UNLOGGED = Line().messages
_NAMES = ("operation_name", "provider_name", "request_model")
_FAILED = "failure"
_COUNTED = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def columns(lines: list[Line]) -> tuple[Columns, Mask] | None:
    """What the simple ones of some lines say.

    Returns:
        The columns that simple lines fill, with a value for every line, and which lines are
        simple; None where a line is none of LiteLLM's.
    """
    names = [
        [line.call_type for line in lines],
        [line.custom_llm_provider for line in lines],
        [line.model for line in lines],
        [line.model_group for line in lines],
    ]
    if None in names[0]:
        return None
    metadata = [line.metadata or NOBODY for line in lines]
    usages = [known.usage_object or _UNCOUNTED for known in metadata]
    details = [u.prompt_tokens_details or u.input_tokens_details or NO_INPUT for u in usages]
    simple = np.array(_plain(lines, usages, details))
    found, excludes = _named(names)
    found |= _asked(lines, metadata)
    failed = np.array([line.status == _FAILED for line in lines])
    found |= _answered(lines, usages, failed, simple)
    found |= _times(lines, simple)
    counted = simple.copy()
    found |= _input(lines, usages, details, excludes, counted)
    found |= _output(lines, usages, counted)
    if failed.any():
        found |= _errors(lines, found, failed)
    return found, counted | (simple & failed)


def _errors(lines: list[Line], found: Columns, failed: Mask) -> Columns:
    """Why calls failed; whatever is counted on their lines is no matter."""
    mask = pa.array(failed)
    uncounted = {name: pc.if_else(mask, None, found[name]) for name in _COUNTED if name in found}
    errors = [error(line) if line.status == _FAILED else None for line in lines]
    return uncounted | {"error_type": pa.array(errors, pa.string())}


def _plain(lines: list[Line], usages: list[UsageObject], details: list[InputDetails]) -> list[bool]:
    """Lines of calls that were made, with no prompt, and nothing written."""
    return [
        not (
            line.cache_hit
            or (line.messages is not _UNLOGGED and prompted(line))
            or usage.cache_creation_input_tokens
            or usage.cache_creation_token_details
            or usage.cache_creation
            or detail.cache_creation_tokens
            or detail.cache_write_tokens
            or detail.cache_creation_token_details
        )
        for line, usage, detail in zip(lines, usages, details, strict=True)
    ]


def _named(names: list[list[str | None]]) -> tuple[Columns, Mask]:
    """Operation, provider and model, and whether input may exclude what is cached."""
    rows = len(names[0])
    if all(each.count(each[0]) == rows for each in names):
        distinct, at = [tuple(each[0] for each in names)], np.zeros(rows, np.int32)
    else:
        codes = _Codes()
        at = np.fromiter(map(codes.__getitem__, zip(*names, strict=True)), np.int32, rows)
        distinct = list(codes)
    words = zip(*(named(*each) for each in distinct), strict=True)
    found = {
        name: pa.array(each, pa.string()).take(pa.array(at))
        for name, each in zip(_NAMES, words, strict=True)
    }
    excludes = [may_exclude(provider or "", model or "") for _, provider, model, _ in distinct]
    return found, np.array(excludes)[at]


class _Codes(dict[Any, int]):
    """Numbers for what comes again and again."""

    def __missing__(self, key: object) -> int:
        self[key] = code = len(self)
        return code


def _asked(lines: list[Line], metadata: list[Metadata]) -> Columns:
    return {
        "call_id": pa.array([line.id for line in lines], pa.string()),
        "trace_id": pa.array([line.trace_id or None for line in lines], pa.string()),
        "conversation_id": pa.array(
            [
                line.session_id or (session(known) if known.requester_metadata else None)
                for line, known in zip(lines, metadata, strict=True)
            ],
            pa.string(),
        ),
        "user_id": pa.array(
            [
                line.end_user
                or known.user_api_key_end_user_id
                or known.user_api_key_user_id
                or None
                for line, known in zip(lines, metadata, strict=True)
            ],
            pa.string(),
        ),
        "isolation_domain": pa.array(
            [known.user_api_key_org_id or known.user_api_key_team_id or None for known in metadata],
            pa.string(),
        ),
    }


def _answered(lines: list[Line], usages: list[UsageObject], failed: Mask, simple: Mask) -> Columns:
    given = [line.response for line in lines]
    # What stands among the counters of a failed call is no matter.
    tiers = [usage.service_tier for usage in usages]
    if failed.any() and any(tiers):
        tiers = [None if lost else tier for lost, tier in zip(failed, tiers, strict=True)]
    if not any(given):
        return {"service_tier": pa.array(tiers, pa.string())}
    bodies = [body if isinstance(body, Response) else NOTHING for body in given]
    # Counters that only the response has are not even decoded yet.
    simple &= [
        usage is not _UNCOUNTED or not bytes(body.usage)
        for usage, body in zip(usages, bodies, strict=True)
    ]
    found = {
        "response_model": [body.model or None for body in bodies],
        "service_tier": [
            body.service_tier if tier is None else tier
            for tier, body in zip(tiers, bodies, strict=True)
        ],
        "finish_reason": [
            body.choices[0].finish_reason if body.choices else None for body in bodies
        ],
    }
    return {name: pa.array(values, pa.string()) for name, values in found.items()}


def _times(lines: list[Line], simple: Mask) -> Columns:
    firsts = [line.completionStartTime for line in lines]
    times, known = instants(
        [line.startTime for line in lines] + [line.endTime for line in lines] + firsts
    )
    start, end, first = times.reshape(3, -1)
    started, ended, begun = known.reshape(3, -1)
    # Without streaming LiteLLM repeats the end here: no time to first token was seen.
    streamed = begun & (first < end)
    simple &= started & ended & (end >= start) & (~streamed | (first >= start))
    if not begun.all():
        simple &= begun | [value is None for value in firsts]
    return {
        "start_time": pa.array(start).view(pa.timestamp("us", tz="UTC")),
        "duration_s": pa.array((end - start) / 1e6),
        "ttft_s": pa.array((first - start) / 1e6, mask=~streamed),
    }


def _input(
    lines: list[Line],
    usages: list[UsageObject],
    details: list[InputDetails],
    excludes: Mask,
    simple: Mask,
) -> Columns:
    """What was not read from a cache, and what was, where only one reading of it is allowed."""
    given = _counts([line.prompt_tokens for line in lines], usages, "prompt_tokens")
    read = np.array(
        [
            usage.cache_read_input_tokens or detail.cached_tokens or 0
            for usage, detail in zip(usages, details, strict=True)
        ],
        np.int64,
    )
    simple &= (given >= read) & ((read == 0) | ~excludes)
    none = pa.array(np.zeros(len(lines), np.int64))
    return {
        "input_tokens": pa.array(given - read),
        "cache_read_tokens": pa.array(read),
        "cache_write_5m_tokens": none,
        "cache_write_1h_tokens": none,
    }


def _output(lines: list[Line], usages: list[UsageObject], simple: Mask) -> Columns:
    counted = _counts([line.completion_tokens for line in lines], usages, "completion_tokens")
    output = np.maximum(counted, 0)
    inside = [usage.completion_tokens_details or usage.output_tokens_details for usage in usages]
    if not any(inside):
        return {"output_tokens": pa.array(output)}
    reasoning = _numbers([(detail or NO_OUTPUT).reasoning_tokens for detail in inside])
    given = _counts([line.prompt_tokens for line in lines], usages, "prompt_tokens")
    total = _counts([line.total_tokens for line in lines], usages, "total_tokens")
    # A total that says otherwise may prove that reasoning stands beside the output.
    adds_up = (total < 0) | (total == given + output)
    simple &= (reasoning <= 0) | ((reasoning <= output) & adds_up)
    return {
        "output_tokens": pa.array(output),
        "reasoning_tokens": pa.array(reasoning, mask=reasoning < 0),
    }


def _counts(own: list[int | None], usages: list[UsageObject], name: str) -> Counts:
    """LiteLLM's copy of a counter, else the counter itself; -1 where there is none."""
    found = _numbers(own)
    missing = np.flatnonzero(found < 0)
    if len(missing):
        found[missing] = _numbers([getattr(usages[at], name) for at in missing.tolist()])
    return found


def _numbers(values: list[int | None]) -> Counts:
    try:
        return np.array(values, np.int64)
    except TypeError:
        return np.array([-1 if value is None else value for value in values], np.int64)
