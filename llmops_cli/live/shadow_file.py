"""The file of a replay: its only memory of what was asked, and beside it what is in flight.

A prompt is one line, written whole when it has its answer or nobody gives one. A resumed run reads
back which prompts are answered and what all of them cost; calls that were in flight when the last
run died are written down first, as interrupted, at the most they can have cost.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes import error_attributes as error

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live.exported import LINE_BEGINS, spans_of
from llmops_cli.live.inflight import INTERRUPTED, InFlight, beside
from llmops_cli.live.lines import append, appending, damaged, mend, objects
from llmops_cli.live.shadow_spans import (
    CALL_ID,
    CHARGED,
    SETTINGS,
    Shadowed,
    last_line_of,
    line_of,
    root_of,
)

__all__ = ["ShadowFile"]


class ShadowFile:
    """What a file holds already, and where the rest is written.

    Args:
        path: of the file.
        settings: digest of what makes answers comparable.
        resume: go on in a file that is there.
        recorded: ids of spans that are on a cassette, which gives them back.
        also: told each line that was written.

    Attributes:
        done: call ids that have an answer.
        spent_usd: held against the cap so far, by all runs.
        interrupted: calls that were in flight when a run died.
        interrupted_usd: the most that these can have cost; in ``spent_usd``.

    Raises:
        LlmopsError: ``collect-output-exists`` without ``resume``, ``replay-other-settings`` for
            another target, ``collect-running`` while another run writes to it,
            ``collect-damaged`` for what no run of ours wrote, ``output-unwritable``.
    """

    def __init__(
        self,
        path: Path,
        *,
        settings: str,
        resume: bool,
        recorded: Container[str] = frozenset[str](),
        also: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        there = [p for p in (path, beside(path)) if p.exists() and p.stat().st_size]
        if there and not resume:
            raise LlmopsError(
                "collect-output-exists",
                "the file is there already",
                hint="--resume goes on where it stopped; another --output begins anew",
                file=str(there[0]),
                exit_code=ExitCode.USAGE,
            )
        self.done: set[str] = set()
        self.spent_usd = self.interrupted_usd = 0.0
        self.interrupted = 0
        self._settings, self._path = settings, path
        self._recorded, self._traces, self._also = recorded, set[str](), also
        self._file = appending(path)
        try:
            self._inflight = InFlight(path)
        except BaseException:
            self._file.close()
            raise
        try:
            self._remember()
            mend(self._file, path, LINE_BEGINS)
            self._recover()
        except BaseException:
            self.close()
            raise

    def note(self, shadow: Shadowed) -> None:
        """The last attempt of a prompt is about to be sent, or has just ended."""
        line = last_line_of(shadow, self._settings)
        self._inflight.note(shadow.attempts[-1].span_id, line)

    def holds(self, trace_id: str) -> bool:
        """Whether the spans of a trace were in the file when it was opened."""
        return trace_id in self._traces

    def add(self, shadow: Shadowed, *, forced: bool = True) -> None:
        """Write one prompt; it is on the disk when this returns.

        Args:
            shadow: with its attempts.
            forced: whether the disk is waited for.
        """
        line = line_of(shadow, self._settings)
        append(self._file, line, forced=forced)
        self._also(line)
        self._inflight.written(item.span_id for item in shadow.attempts)

    def close(self) -> None:
        """Let go of the files, and of their lock."""
        self._inflight.close()
        self._file.close()

    def _remember(self) -> None:
        for number, export in objects(self._path):
            try:
                self._learn(export, self._path, number)
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                raise damaged(self._path, number) from None

    def _learn(self, export: dict[str, Any], path: Path, number: int) -> None:
        for span, about in spans_of(export):
            if not span["parentSpanId"]:
                continue
            if about[SETTINGS] != self._settings:
                raise _other(path, number)
            self._inflight.left.pop(span["spanId"], None)
            self._traces.add(span["traceId"])
            charged: float = about.get(CHARGED) or 0.0
            self.spent_usd += charged
            if about.get(error.ERROR_TYPE) == INTERRUPTED:
                self.interrupted += 1
                self.interrupted_usd += charged
            if gen_ai.GEN_AI_RESPONSE_ID in about:
                self.done.add(about[CALL_ID])

    def _recover(self) -> None:
        """What was in flight when the last run died becomes spans, of a trace for each prompt."""
        traces: dict[str, list[dict[str, Any]]] = {}
        for export in list(self._inflight.left.values()):
            for span, about in spans_of(export):
                if span["spanId"] in self._recorded:
                    continue
                if about.get(SETTINGS) != self._settings:
                    raise _other(self._inflight.path, 1)
                traces.setdefault(span["traceId"], []).append(export)
        for number, exports in enumerate(traces.values(), 1):
            whole = _whole(exports)
            line = msgspec.json.encode(whole) + b"\n"
            append(self._file, line)
            self._also(line)
            self._learn(whole, self._inflight.path, number)
        self._inflight.forget()


def _whole(exports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One export of all attempts at one prompt, with the workflow span over them."""
    spans = [span for export in exports for span, _ in spans_of(export)]
    (resource,) = exports[-1]["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    scoped = {**scope, "spans": [*spans, root_of(spans)]}
    return {"resourceSpans": [{**resource, "scopeSpans": [scoped]}]}


def _other(path: Path, number: int) -> LlmopsError:
    return LlmopsError(
        "replay-other-settings",
        "it was begun with another model, provider, length of answers or system prompt",
        hint="resume with the same ones, or give another --output",
        file=str(path),
        line=number,
        exit_code=ExitCode.USAGE,
    )
