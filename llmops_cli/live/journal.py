"""The two files of a run, which are its only memory: spans of what was asked, decisions made.

Each line is written whole, in one append, and is on the disk before anything follows from it.
Spans come first: what they hold was paid for and is never asked again; a decision that is
missing behind them is written without asking.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
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

__all__ = ["Asked", "Journal", "decided", "plain", "spans_of"]


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

    Raises:
        LlmopsError: ``collect-output-exists`` without ``resume``, ``collect-other-settings``
            for files of another judge, ``collect-running`` while another run writes to them,
            ``collect-damaged`` for what no run of ours wrote.
    """

    def __init__(self, decisions: Path, spans: Path, *, settings: str, resume: bool) -> None:
        there = [path for path in (decisions, spans) if path.exists() and path.stat().st_size]
        if there and not resume:
            raise LlmopsError(
                "collect-output-exists",
                "the file is there already",
                hint="--resume goes on where it stopped; another --output begins anew",
                file=str(there[0]),
                exit_code=ExitCode.USAGE,
            )
        self.done: set[str] = set()
        self.spent_usd = 0.0
        self._asked: dict[tuple[str, str], Asked] = {}
        self._traces: dict[str, RowTrace] = {}
        self._spans = appending(spans)
        self._decisions = appending(decisions)
        try:
            self._remember(spans, decisions, settings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of both files, and of their lock."""
        self._spans.close()
        self._decisions.close()

    def asked(self, row: str, order: str) -> Asked | None:
        """What is known of one call about a row."""
        return self._asked.get((row, order))

    def trace(self, row: str) -> RowTrace | None:
        """The trace of a row that was begun and not ended."""
        return self._traces.get(row)

    def add_spans(self, line: bytes) -> None:
        """Write one line of spans; it is on the disk when this returns."""
        append(self._spans, line)

    def add_decision(self, decision: Mapping[str, Any]) -> None:
        """Write one decision, likewise."""
        append(self._decisions, msgspec.json.encode(decision) + b"\n")
        self.done.add(str(decision["id"]))

    def _remember(self, spans: Path, decisions: Path, settings: str) -> None:
        for file, path in ((self._spans, spans), (self._decisions, decisions)):
            mend(file, path)
        ended: set[str] = set()
        for number, export in objects(spans):
            try:
                for span, about in spans_of(export):
                    if about.get(SETTINGS) != settings:
                        raise _other_settings(spans, number)
                    if span["parentSpanId"]:
                        self._learn(span, about)
                    else:
                        ended.add(span["spanId"])
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                raise damaged(spans, number) from None
        self._traces = {r: at for r, at in self._traces.items() if at.span_id not in ended}
        self.done = decided(decisions)

    def _learn(self, span: dict[str, Any], about: dict[str, Any]) -> None:
        row, order = about[ROW], about.get(ORDER, "")
        started, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        before = self._traces.get(row)
        if before is None or before.span_id != span["parentSpanId"]:
            self._traces[row] = RowTrace(started, span["traceId"], span["parentSpanId"])
        charged: float | None = about.get(CHARGED)
        self.spent_usd += charged or 0.0
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


def spans_of(export: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each span of one line with its attributes and those of its resource.

    Raises:
        KeyError, TypeError, AttributeError, StopIteration: it is no line of ours.
    """
    for resource in export["resourceSpans"]:
        around = plain(resource["resource"])
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield span, around | plain(span)


def plain(holder: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span or a resource, by name."""
    return {pair["key"]: next(iter(pair["value"].values())) for pair in holder["attributes"]}


def _other_settings(path: Path, number: int) -> LlmopsError:
    return LlmopsError(
        "collect-other-settings",
        "it was begun with another model, prompt, provider or set of verdicts",
        hint="resume with the same ones, or give another --output",
        file=str(path),
        line=number,
        exit_code=ExitCode.USAGE,
    )
