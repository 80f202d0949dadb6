"""The two files of a run, its memory: spans of what was asked, decisions made.

Each line is written whole, in one append, and is on the disk before anything follows from it.
Spans come first: what they hold was paid for and is never asked again; a decision that is
missing behind them is written without asking. Beside the spans stands what is in flight.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.semconv.attributes import error_attributes as error

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live.cassette import Cassette
from llmops_cli.live.exported import LINE_BEGINS, spans_of
from llmops_cli.live.inflight import INTERRUPTED, InFlight, beside
from llmops_cli.live.lines import append, appending, damaged, mend, objects
from llmops_cli.live.prompts import Verdict
from llmops_cli.live.recording import (
    CHARGED,
    CONFIDENCE,
    ORDER,
    ROW,
    SETTINGS,
    VERDICT,
    RowTrace,
)

__all__ = ["Asked", "Journal", "decided"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call about a row brought.

    Attributes:
        verdict: as given, by the answers' own names.
        charged_usd: of all its attempts; None where no price is known.
        duration_s: of the attempt that answered.
        ended_ns: of that attempt.
    """

    verdict: Verdict
    charged_usd: float | None
    duration_s: float
    ended_ns: int


class Journal:
    """Appends to both files, and knows what they hold already.

    Args:
        decisions: one line per row that has its verdicts.
        spans: one line per call, or per row.
        settings: digest of what makes verdicts comparable.
        resume: go on in files that are there.
        cassette: played, and recorded on; None for none.
        also: told each line of spans that was written.

    Attributes:
        cassette: as given.
        done: rows that have their decision.
        spent_usd: held against the cap so far, by all runs.
        interrupted: calls that were in flight when a run died.
        interrupted_usd: the most that these can have cost; in ``spent_usd``.

    Raises:
        LlmopsError: ``collect-output-exists`` without ``resume``, ``collect-other-settings``
            for files of another judge, ``collect-running`` while another run writes to them,
            ``collect-damaged`` for what no run of ours wrote.
    """

    def __init__(
        self,
        decisions: Path,
        spans: Path,
        *,
        settings: str,
        resume: bool,
        cassette: Cassette | None = None,
        also: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        kept = (decisions, spans, beside(spans))
        there = [path for path in kept if path.exists() and path.stat().st_size]
        if there and not resume:
            raise LlmopsError(
                "collect-output-exists",
                "the file is there already",
                hint="--resume goes on where it stopped; another --output begins anew",
                file=str(there[0]),
                exit_code=ExitCode.USAGE,
            )
        self.cassette, self._also = cassette, also
        self.done: set[str] = set()
        self.spent_usd = self.interrupted_usd = 0.0
        self.interrupted = 0
        self._asked: dict[tuple[str, str], Asked] = {}
        self._traces: dict[str, RowTrace] = {}
        self._spans = appending(spans)
        self._decisions = appending(decisions)
        try:
            self._inflight = InFlight(spans)
        except BaseException:
            self._spans.close()
            self._decisions.close()
            raise
        try:
            self._remember(spans, settings)
            self.done = decided(decisions)
            mend(self._spans, spans, LINE_BEGINS)
            mend(self._decisions, decisions, b'{"id":')
            self._recover(settings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the files, and of their lock."""
        self._inflight.close()
        self._spans.close()
        self._decisions.close()

    def asked(self, row: str, order: str) -> Asked | None:
        """What is known of one call about a row."""
        return self._asked.get((row, order))

    def trace(self, row: str) -> RowTrace | None:
        """The trace of a row that was begun and not ended."""
        return self._traces.get(row)

    def note(self, span_id: str, line: bytes) -> None:
        """A call is about to be sent, or has just ended; see :class:`InFlight`."""
        self._inflight.note(span_id, line)

    def add_spans(self, line: bytes, span_ids: Iterable[str]) -> None:
        """Write one line of spans; it is on the disk when this returns.

        Args:
            line: an export.
            span_ids: of the spans in it.
        """
        append(self._spans, line)
        self._also(line)
        self._inflight.written(span_ids)

    def add_decision(self, decision: Mapping[str, Any]) -> None:
        """Write one decision, likewise."""
        append(self._decisions, msgspec.json.encode(decision) + b"\n")
        self.done.add(str(decision["id"]))

    def _remember(self, spans: Path, settings: str) -> None:
        ended: set[str] = set()
        for number, export in objects(spans):
            try:
                ended.update(self._read(export, spans, number, settings))
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                raise damaged(spans, number) from None
        self._traces = {r: at for r, at in self._traces.items() if at.span_id not in ended}

    def _recover(self, settings: str) -> None:
        """What was in flight when the last run died becomes spans of their rows' traces."""
        recorded = frozenset[str]() if self.cassette is None else self.cassette.span_ids
        for number, (span_id, export) in enumerate(self._inflight.left.copy().items(), 1):
            if span_id in recorded:
                continue  # the cassette gives it back
            self._read(export, self._inflight.path, number, settings)
            line = msgspec.json.encode(export) + b"\n"
            append(self._spans, line)
            self._also(line)
        self._inflight.forget()

    def _read(self, export: Mapping[str, Any], file: Path, number: int, settings: str) -> list[str]:
        """Takes in the spans of one line; returns the workflow spans among them."""
        ended: list[str] = []
        for span, about in spans_of(export):
            if about.get(SETTINGS) != settings:
                raise _other_settings(file, number)
            self._inflight.left.pop(span["spanId"], None)
            if span["parentSpanId"]:
                self._learn(span, about)
            else:
                ended.append(span["spanId"])
        return ended

    def _learn(self, span: dict[str, Any], about: dict[str, Any]) -> None:
        row, order = about[ROW], about.get(ORDER, "")
        started, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        before = self._traces.get(row)
        if before is None or before.span_id != span["parentSpanId"]:
            self._traces[row] = RowTrace(started, span["traceId"], span["parentSpanId"])
        charged: float | None = about.get(CHARGED)
        self.spent_usd += charged or 0.0
        if about.get(error.ERROR_TYPE) == INTERRUPTED:
            self.interrupted += 1
            self.interrupted_usd += charged or 0.0
        if VERDICT in about:
            verdict = Verdict(about[VERDICT], about.get(CONFIDENCE))
            seconds = (ended - started) / 1e9
            self._asked[row, order] = Asked(verdict, charged, seconds, ended)


def decided(decisions: Path) -> set[str]:
    """Ids of the rows that have their decision; a last line that was cut off counts for nothing.

    Raises:
        LlmopsError: ``collect-damaged``.
    """
    found: set[str] = set()
    for number, decision in objects(decisions):
        if "id" not in decision:
            raise damaged(decisions, number)
        found.add(str(decision["id"]))
    return found


def _other_settings(path: Path, number: int) -> LlmopsError:
    return LlmopsError(
        "collect-other-settings",
        "it was begun with another model, prompt, provider or set of verdicts",
        hint="resume with the same ones, or give another --output",
        file=str(path),
        line=number,
        exit_code=ExitCode.USAGE,
    )
