"""Spans of one export that have the same attributes, read together: a list per column.

What is read here is what :func:`spans.span_rows` would make of each span, in the order of the
staged table; a span that needs a second look is left to that function.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any

import msgspec

from llmops_cli.traffic.otlp.content import repeated_prompt
from llmops_cli.traffic.otlp.facts import role_of
from llmops_cli.traffic.otlp.layout import PROMPT, Layout, layout
from llmops_cli.traffic.otlp.messages import AnyValue, Span
from llmops_cli.traffic.otlp.spans import CALLS, operation_of, provider_of, token_columns
from llmops_cli.traffic.otlp.values import MOST_TOKENS, identifiers, instants, number, texts
from llmops_cli.traffic.prompts import Run
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Place
from llmops_cli.traffic.table import StagedRow

__all__ = ["calls_together"]

_MOST_SECONDS = 1e12
_WELL = {0, 1, "0", "1", "STATUS_CODE_UNSET", "STATUS_CODE_OK"}
_AS_SAID = (
    "conversation_id",
    "user_id",
    "task",
    "agent_name",
    "response_model",
    "service_tier",
)
_COUNTERS = {
    "given": 0, "read": 0, "written": 0, "output": 0, "reasoning": None, "total": None,
}  # fmt: skip
_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "counted_by",
    "cached_outside",
)
_UNSAID = {name: repeat(getattr(StagedRow(), name)) for name in StagedRow.__struct_fields__}

Columns = dict[str, Iterable[Any]]
Runs = tuple[Run, Run, Run]
Call = tuple[tuple[Any, ...], Runs]
"""The plain columns of a row, and its prompt."""


def calls_together(spans: list[Span], scope: str, place: Place) -> dict[int, Call]:
    """The calls among spans, by the places of these; without those that need a second look.

    Args:
        spans: of one library.
        scope: name and version of it.
        place: file and line of the export.
    """
    found = dict[int, Call]()
    for names, where in _by_names(spans).items():
        known = layout(names)
        if known is None or "given" not in known.columns:
            continue
        with suppress(*_DOUBTS):
            alike = _Alike(known, [spans[at] for at in where])
            found |= {where[at]: call for at, call in alike.calls(scope, place)}
    return found


_DOUBTS = (RowError, AttributeError, TypeError, ValueError)
"""What values raise that are absent, or not of the type that nearly all are of."""


def _by_names(spans: list[Span]) -> dict[tuple[str, ...], list[int]]:
    found = dict[tuple[str, ...], list[int]]()
    for at, span in enumerate(spans):
        if not span.events and (span.status is None or span.status.code in _WELL):
            found.setdefault(tuple([pair.key for pair in span.attributes]), []).append(at)
    return found


class _Alike:
    """Spans with the same attributes.

    Args:
        known: where each column stands.
        spans: at least one.
    """

    def __init__(self, known: Layout, spans: list[Span]) -> None:
        self._known, self._spans = known, spans
        self._pairs = list(zip(*[span.attributes for span in spans], strict=True))

    def calls(self, scope: str, place: Place) -> list[tuple[int, Call]]:
        """The calls among them, with their places.

        Raises:
            RowError, AttributeError, TypeError, ValueError: a span needs a look of its own.
        """
        roles, operations = self._words()
        if "embeddings" in operations:
            raise ValueError  # what they are of is no prompt
        columns = self._columns(scope) | {"operation_name": operations}
        columns["source_file"], columns["source_line"] = map(repeat, place)
        rows = zip(*[columns.get(name, unsaid) for name, unsaid in _UNSAID.items()])  # noqa: B905 - of a constant there is no end
        return [
            (at, (row, prompt))
            for at, (row, role, prompt) in enumerate(zip(rows, roles, self._prompts(), strict=True))
            if role in CALLS and prompt is not None
        ]

    def _words(self) -> tuple[list[str], list[str]]:
        """Role and operation of each; what they are told by is mostly the same."""
        names = [name for name in ("operation_name", "span_kind") if name in self._known.columns]
        words = [self._texts(name) for name in names]
        told = dict[tuple[str, ...], tuple[str, str]]()
        for each in set(zip(*words, strict=True)) or {()}:
            known = dict.fromkeys(self._known.columns, "") | dict(zip(names, each, strict=True))
            told[each] = role_of(known), operation_of(known)
        if len(told) == 1:
            ((role, operation),) = told.values()
            return [role] * len(self._spans), [operation] * len(self._spans)
        found = [told[each] for each in zip(*words, strict=True)]
        return [role for role, _ in found], [operation for _, operation in found]

    def _columns(self, scope: str) -> Columns:
        columns = self._places()
        known = self._known.columns
        columns |= {name: self._texts(name) for name in _AS_SAID if name in known}
        asked = self._texts("request_model") if "request_model" in known else None
        columns["request_model"] = asked or columns.get("response_model", repeat(None))
        if "response_id" in known:
            ids = zip(self._texts("response_id"), columns["span_id"], strict=True)
            columns["call_id"] = [given or span for given, span in ids]
        providers = self._providers()
        columns |= self._tokens([f"{scope} {name}" for name in providers])
        return columns | {"provider_name": providers} | self._answers()

    def _places(self) -> Columns:
        """Where in the trace and when."""
        spans = self._spans
        starts = instants([span.start_time_unix_nano for span in spans])
        ends = instants([span.end_time_unix_nano for span in spans])
        if any(end < start for start, end in zip(starts, ends, strict=True)):
            raise ValueError
        ids = identifiers([span.span_id for span in spans], 16)
        return {
            "start_time": starts,
            "duration_s": [(end - start) / 1e6 for start, end in zip(starts, ends, strict=True)],
            "trace_id": identifiers([span.trace_id for span in spans], 32),
            "span_id": ids,
            "call_id": ids,
            "parent_span_id": identifiers([span.parent_span_id for span in spans], 16),
        }

    def _providers(self) -> list[str | None]:
        if "provider_name" not in self._known.columns:
            return [None] * len(self._spans)
        names = self._texts("provider_name")
        known = {name: provider_of(name) if name else None for name in set(names)}
        return [known[name] for name in names]

    def _tokens(self, counted_by: list[str]) -> Columns:
        known = self._known.columns
        counters = [
            self._counts(name) if name in known else repeat(absent)
            for name, absent in _COUNTERS.items()
        ]
        counted = list(map(_counted, zip(*counters), counted_by))  # noqa: B905 - as above
        return dict(zip(_TOKENS, zip(*counted, strict=True), strict=True))

    def _answers(self) -> Columns:
        """How the answers began and ended."""
        known, found = self._known.columns, Columns()
        if "error_type" in known:
            found["error_type"] = [error or None for error in self._texts("error_type")]
        if "ttft_s" in known:
            seconds = [number(value) for value in self._values("ttft_s")]
            if any(each is not None and each > _MOST_SECONDS for each in seconds):
                raise ValueError
            found["ttft_s"] = [None if each is None or each < 0 else each for each in seconds]
        if "finish_reason" in known:
            found["finish_reason"] = [texts(value) for value in self._values("finish_reason")]
        return found

    def _prompts(self) -> Iterator[Runs | None]:
        """The prompt of each; None where it is not the JSON it should be, or has no messages."""
        known = self._known
        parts = [
            self._strings(known.prompt[name]) if name in known.prompt else repeat(None)
            for name in PROMPT.values()
        ]
        of = [span.trace_id for span in self._spans]
        if "conversation_id" in known.columns:
            named = self._texts("conversation_id")
            of = [name or trace for name, trace in zip(named, of, strict=True)]
        for each in zip(*parts, of):  # noqa: B905 - as above
            try:
                prompt = repeated_prompt(*each)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                yield None
                continue
            # Messages may come as log records: what stands before them has to wait.
            waits = not prompt[2].size and (prompt[0].size or prompt[1].size)
            yield None if waits else prompt

    def _values(self, column: str) -> list[AnyValue]:
        return [pair.value for pair in self._pairs[self._known.columns[column]]]  # type: ignore[misc] - nothing is doubt enough

    def _texts(self, column: str) -> list[str]:
        return self._strings(self._known.columns[column])

    def _strings(self, at: int) -> list[str]:
        found = [pair.value.string_value for pair in self._pairs[at]]  # type: ignore[union-attr]
        if None in found:
            raise TypeError
        return found  # type: ignore[return-value]

    def _counts(self, column: str) -> list[int]:
        found = [int(value.int_value) for value in self._values(column)]  # type: ignore[arg-type]
        if min(found) < 0 or max(found) > MOST_TOKENS:
            raise ValueError
        return found


def _counted(counters: tuple[Any, ...], counted_by: str) -> tuple[Any, ...]:
    """The columns of :data:`_TOKENS`; without a total they need no weighing."""
    given, read, written, output, reasoning, total = counters
    if total is not None or (reasoning is not None and reasoning > output):
        known = dict(zip(_COUNTERS, counters, strict=True))
        columns = token_columns(known, counted_by)
        return tuple([columns.get(name) for name in _TOKENS])
    cached = read + written
    if not cached:
        return given, 0, 0, 0, output, reasoning, None, None
    inside = cached <= given
    fresh = given - cached if inside else given
    return fresh, read, written, 0, output, reasoning, counted_by, not inside
