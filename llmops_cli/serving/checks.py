"""Traces that no comparison can be made on, and requests that no replica can hold."""

from collections.abc import Sequence

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Policy

__all__ = ["check_fits", "check_trace", "simultaneous"]


def check_trace(trace: RequestTrace) -> None:
    """Refuse what has no rate, no differences, or contradicts itself.

    Raises:
        LlmopsError: ``trace-one-request``, ``trace-no-span``, ``trace-unsorted``,
            ``trace-no-output``, ``trace-no-input``, ``trace-hash-length``.
    """
    if len(trace) < 2:  # noqa: PLR2004 - one request is no load
        raise LlmopsError(
            "trace-one-request",
            f"the trace has {len(trace)} request{'' if len(trace) == 1 else 's'}: nothing queues, "
            "nothing is shared, and nothing can be compared",
            hint="give a longer stretch of it",
            file=trace.source,
        )
    _check_times(trace)
    for name, slug in (("input_tokens", "trace-no-input"), ("output_tokens", "trace-no-output")):
        short = np.flatnonzero(getattr(trace, name) < 1)
        if len(short):
            message = f"{name} is {int(getattr(trace, name)[short[0]])}: every request has some"
            raise _at(trace, int(short[0]), slug, message, name)
    _check_blocks(trace)


def check_fits(trace: RequestTrace, policies: Sequence[Policy]) -> None:
    """Refuse a request that is longer than the memory of a replica.

    Raises:
        LlmopsError: ``serving-too-long``.
    """
    # The last token is answered, not kept.
    kept = trace.input_tokens + trace.output_tokens - 1
    longest = int(kept.argmax())
    for policy in policies:
        size = trace.block_tokens or policy.memory.block_tokens or 16
        blocks = policy.memory.blocks
        many = int((-(-kept // size) > blocks).sum())
        if many:
            raise _at(
                trace,
                longest,
                "serving-too-long",
                f"a prompt of {int(trace.input_tokens[longest]):,} tokens and its answer of "
                f"{int(trace.output_tokens[longest]):,} do not fit the {blocks:,} KV blocks of "
                f"{size:,} tokens that a replica of '{policy.name}' has; {many:,} requests do not",
                "input_tokens",
                hint="more GPUs per replica (--tp), more blocks, or leave such requests out",
            )


def simultaneous(trace: RequestTrace) -> int:
    """Requests that arrive within the same millisecond as the one before them."""
    return int((np.diff(trace.arrival_s) < 1e-3).sum())  # noqa: PLR2004 - a millisecond


def _check_times(trace: RequestTrace) -> None:
    steps = np.diff(trace.arrival_s)
    back = np.flatnonzero(~(steps >= 0))
    if len(back):
        message = "the request does not come after the one before it"
        raise _at(trace, int(back[0]) + 1, "trace-unsorted", message, "arrival_s")
    if not trace.arrival_s[-1] > trace.arrival_s[0]:
        raise LlmopsError(
            "trace-no-span",
            f"all {len(trace):,} requests arrive at the same instant: a burst has no rate",
            hint="give a trace with the times of arrival",
            file=trace.source,
            exit_code=ExitCode.BAD_INPUT,
        )


def _check_blocks(trace: RequestTrace) -> None:
    if not trace.block_tokens:
        return
    due = -(-trace.input_tokens // trace.block_tokens)
    counts = np.diff(trace.starts)
    wrong = np.flatnonzero(due != counts)
    if len(wrong):
        row = int(wrong[0])
        message = (
            f"{int(counts[row]):,} blocks where {int(trace.input_tokens[row]):,} tokens in blocks "
            f"of {trace.block_tokens:,} have {int(due[row]):,}"
        )
        raise _at(trace, row, "trace-hash-length", message, "blocks")


def _at(
    trace: RequestTrace, row: int, slug: str, message: str, field: str, *, hint: str = ""
) -> LlmopsError:
    line = row + 1 if trace.lines is None else int(trace.lines[row])
    return LlmopsError(slug, message, hint=hint, file=trace.source, line=line, field=field)
