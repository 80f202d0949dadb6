"""The two files of a run, which are its only memory: spans of what was asked, decisions made.

Each line is written whole, in one append, and is on the disk before anything follows from it.
Spans come first: what they hold was paid for and is never asked again; a decision that is
missing behind them is written without asking.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
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
        self._spans = _appending(spans)
        self._decisions = _appending(decisions)
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
        _append(self._spans, line)

    def add_decision(self, decision: Mapping[str, Any]) -> None:
        """Write one decision, likewise."""
        _append(self._decisions, msgspec.json.encode(decision) + b"\n")
        self.done.add(str(decision["id"]))

    def _remember(self, spans: Path, decisions: Path, settings: str) -> None:
        for file, path in ((self._spans, spans), (self._decisions, decisions)):
            _mend(file, path)
        ended: set[str] = set()
        for number, export in _objects(spans):
            try:
                for span, about in _spans_of(export):
                    if about.get(SETTINGS) != settings:
                        raise _other_settings(spans, number)
                    if span["parentSpanId"]:
                        self._learn(span, about)
                    else:
                        ended.add(span["spanId"])
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                raise _damaged(spans, number) from None
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
    for number, decision in _objects(decisions):
        if "id" not in decision:
            raise _damaged(decisions, number)
        found.add(str(decision["id"]))
    return found


def _appending(path: Path) -> BinaryIO:
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise LlmopsError(
            "output-unwritable",
            f"cannot write {path}: {error.strerror}",
            hint="choose another path; nothing was asked",
            exit_code=ExitCode.USAGE,
        ) from error
    try:
        _lock(file)
    except OSError:
        file.close()
        raise LlmopsError(
            "collect-running",
            "another run is writing to this file",
            hint="wait for it, or give another --output",
            file=str(path),
            exit_code=ExitCode.USAGE,
        ) from None
    return file


def _lock(file: BinaryIO) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _append(file: BinaryIO, line: bytes) -> None:
    try:
        view = memoryview(line)
        while view:
            view = view[os.write(file.fileno(), view) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise LlmopsError(
            "output-unwritable",
            f"cannot write {file.name}: {error.strerror}",
            hint="make room and go on with --resume; what is on the disk is not asked again",
            exit_code=ExitCode.USAGE,
        ) from error


def _mend(file: BinaryIO, path: Path) -> None:
    """Cut off the line that a killed run was writing: its call was in flight."""
    data = path.read_bytes() if path.is_file() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        file.truncate(whole)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        return
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield number, decode(line)
            except (msgspec.DecodeError, UnicodeError):
                raise _damaged(path, number) from None


def _spans_of(export: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each span with its attributes and those of its resource."""
    for resource in export["resourceSpans"]:
        around = _plain(resource["resource"])
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield span, around | _plain(span)


def _plain(holder: dict[str, Any]) -> dict[str, Any]:
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


def _damaged(path: Path, number: int) -> LlmopsError:
    return LlmopsError(
        "collect-damaged",
        "the line is none that a run of judge-collect writes",
        hint="give another --output",
        file=str(path),
        line=number,
    )
