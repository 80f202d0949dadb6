"""Calls as a semantic cache sees them: a question in words, its scope, and what was answered.

The scope is everything that must be the same before two questions may share an answer:
isolation domain, model, tools, system prompt, and the conversation up to the last user
message. Caches that compare the last message alone answer follow-up questions of strangers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.columns import microseconds, numbers, texts
from llmops_cli.cache.select import Exclusion, exclude
from llmops_cli.cache.semantic_continued import answers_of_next_turns
from llmops_cli.cache.semantic_reader import Read, Reader
from llmops_cli.calls import CallsTable
from llmops_cli.errors import LlmopsError

__all__ = ["Prompts", "read_prompts"]

Ints = npt.NDArray[np.signedinteger]

_NULL = np.iinfo(np.int64).min

_REASONS = {
    "semantic-bad-content": "keep content that is not of the form that llmops writes",
    "semantic-no-question": "do not end in a user's words (a tool's result, a prefilled answer)",
    "semantic-empty-question": "end in an empty user message",
}


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Calls that a semantic cache could have answered, in the order of time.

    Attributes:
        row: row of each in the calls table.
        start_us: when it was asked.
        answered_us: when its answer was complete, and could be cached.
        scope: code of its scope.
        cluster: code of the user or conversation, -1 where neither is named.
        clustered_by: ``user``, ``conversation``, or empty for neither.
        texts: the question.
        answers: the logged answer; empty where there is none.
        overheard: how many of them were found in the next turn of the conversation.
        places: file and line.
        total: calls in the log.
        exclusions: calls left out, by reason.
    """

    row: Ints
    start_us: Ints
    answered_us: Ints
    scope: Ints
    cluster: Ints
    clustered_by: str
    texts: list[str]
    answers: list[str]
    overheard: int
    places: list[str]
    total: int
    exclusions: tuple[Exclusion, ...]

    def __len__(self) -> int:
        """How many calls."""
        return len(self.row)


def read_prompts(calls: CallsTable, *, per_user: bool = False) -> Prompts:
    """Cut questions and scopes out of kept content.

    Args:
        calls: the calls table with a column ``content``, and ``answer`` where answers lie apart.
        per_user: whether the user is part of the scope.

    Raises:
        LlmopsError: ``calls-empty``, ``semantic-no-content``, ``semantic-nothing-to-replay``.
    """
    calls = calls.reset_index(drop=True)
    if not len(calls):
        raise LlmopsError("calls-empty", "the log holds no calls")
    content = texts(calls, "content") if "content" in calls.columns else np.array([""])
    if (content == "").all():
        raise LlmopsError(
            "semantic-no-content",
            "the calls carry no prompts, only their hashes",
            hint="a semantic cache compares words: read the raw log, or a Parquet that was "
            "ingested with --keep-content",
        )
    start = microseconds(calls, "start_time")
    failed = texts(calls, "error_type") != ""
    reader = Reader()
    wanted = ~failed & (start != _NULL) & (content != "")
    read = [
        reader.read(text) if want else Read()
        for text, want in zip(content.tolist(), wanted.tolist(), strict=True)
    ]
    found = np.array([item.reason for item in read], dtype=object)
    steps = (
        ("cache-failed-calls", "failed and cost nothing", failed),
        ("cache-no-time", "have no start time", start == _NULL),
        ("semantic-no-content", "carry no prompt", content == ""),
        *((slug, words, found == slug) for slug, words in _REASONS.items()),
    )
    left, exclusions = np.ones(len(calls), np.bool_), list[Exclusion]()
    for slug, message, mask in steps:
        left, more = exclude(calls, left, np.asarray(mask, np.bool_), slug, message)
        exclusions += more
    if not left.any():
        raise _nothing(len(calls), exclusions)
    rows = np.flatnonzero(left)
    rows = rows[np.argsort(start[rows], kind="stable")]
    told = _told(calls, rows, read)
    chosen = [read[row] for row in rows.tolist()]
    return _prompts(calls, rows, chosen, told, exclusions, per_user=per_user)


@dataclass(frozen=True, slots=True)
class _Told:
    answers: list[str]
    overheard: int


def _told(calls: CallsTable, rows: Ints, read: Sequence[Read]) -> _Told:
    # With the call, beside it, or else in the next turn of its conversation.
    answers = [item.answer for item in read]
    if "answer" in calls.columns:
        apart = texts(calls, "answer").tolist()
        answers = [told or kept for told, kept in zip(apart, answers, strict=True)]
    names = texts(calls, "conversation_id").tolist()
    later = answers_of_next_turns([item.turn for item in read], names)
    overheard = sum(bool(later[row]) and not answers[row] for row in rows.tolist())
    return _Told([answers[row] or later[row] for row in rows.tolist()], overheard)


def _prompts(
    calls: CallsTable,
    rows: Ints,
    read: Sequence[Read],
    told: _Told,
    exclusions: Sequence[Exclusion],
    *,
    per_user: bool,
) -> Prompts:
    chosen = calls.iloc[rows]
    start = microseconds(chosen, "start_time")
    lasted = np.nan_to_num(numbers(chosen, "duration_s", 0.0))
    cluster, clustered_by = _clusters(chosen)
    return Prompts(
        row=rows.astype(np.int64),
        start_us=start,
        answered_us=start + np.rint(lasted * 1e6).astype(np.int64),
        scope=_scopes(chosen, [item.context for item in read], per_user=per_user),
        cluster=cluster,
        clustered_by=clustered_by,
        texts=[item.text for item in read],
        answers=told.answers,
        overheard=told.overheard,
        places=[
            f"{file}:{line}"
            for file, line in zip(
                texts(chosen, "source_file").tolist(), chosen["source_line"].tolist(), strict=True
            )
        ],
        total=len(calls),
        exclusions=tuple(exclusions),
    )


def _scopes(chosen: CallsTable, contexts: Sequence[bytes], *, per_user: bool) -> Ints:
    asked, answered = texts(chosen, "request_model"), texts(chosen, "response_model")
    parts = [
        texts(chosen, "isolation_domain"),
        np.where(asked == "", answered, asked),
        np.array([context.hex() for context in contexts], dtype=object),
    ]
    if per_user:
        parts.append(texts(chosen, "user_id"))
    return pd.factorize(pd.MultiIndex.from_arrays(parts))[0].astype(np.int64)


def _clusters(chosen: CallsTable) -> tuple[Ints, str]:
    # Whoever asks twice is one witness; calls that name nobody are witnesses of their own.
    for name, column in (("user", "user_id"), ("conversation", "conversation_id")):
        named = texts(chosen, column)
        if len(set(named) - {""}) > 1:
            codes = pd.factorize(named)[0].astype(np.int64)
            return np.where(named == "", -1, codes), name
    return np.full(len(chosen), -1, np.int64), ""


def _nothing(total: int, exclusions: Sequence[Exclusion]) -> LlmopsError:
    said = ", ".join(f"{item.count:,} {item.message}" for item in exclusions)
    return LlmopsError(
        "semantic-nothing-to-replay",
        f"a semantic cache could answer none of the {total:,} calls: {said}",
        file=exclusions[0].file if exclusions else "",
        line=exclusions[0].line if exclusions else None,
    )
