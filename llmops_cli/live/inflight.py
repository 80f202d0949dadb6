"""Calls that were sent and are not in the spans file yet: a journal beside it that outlives a kill.

Before a call is sent, the span that it leaves behind should the run die goes in here: interrupted,
at the most the call can cost. What a resumed run finds here and not among the spans was in flight
when its predecessor died; it becomes a span then, and so counts against the cap for good.

A line is in the file when the call is sent, but is not forced to the disk: a killed process loses
none, a machine that loses power may lose the last ones.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llmops_cli.live.exported import LINE_BEGINS, spans_of
from llmops_cli.live.lines import append, appending, damaged, mend, objects

__all__ = ["INTERRUPTED", "InFlight", "beside", "left_in"]

INTERRUPTED = "interrupted"
"""What became of a call whose run died: nobody knows."""

_CROWDED = 512


class InFlight:
    """The journal of one spans file.

    Args:
        spans: the file that it stands beside.
        crowded: lines that say nothing new, at which the file is written anew.

    Attributes:
        left: what earlier runs noted, by id of the span, each as it was noted last: the export
            that holds it. The caller takes out what it finds among the spans.

    Raises:
        LlmopsError: ``output-unwritable``, ``collect-damaged`` for what no run of ours wrote.
    """

    def __init__(self, spans: Path, *, crowded: int = _CROWDED) -> None:
        self.path = beside(spans)
        self._fresh = self.path.with_name(f"{self.path.name}.new")
        self._fresh.unlink(missing_ok=True)
        self._crowded = crowded
        self._open: dict[str, bytes] = {}
        self._ended = 0
        self._file = appending(self.path)
        try:
            self.left = left_in(self.path)
            mend(self._file, self.path, LINE_BEGINS)
        except BaseException:
            self._file.close()
            raise

    def note(self, span_id: str, line: bytes) -> None:
        """A call is about to be sent, or has ended while its prompt goes on.

        Args:
            span_id: of the call, in this and in the spans file.
            line: an export with its span.
        """
        append(self._file, line, forced=False)
        self._ended += span_id in self._open
        self._open[span_id] = line
        self._make_room()

    def written(self, span_ids: Iterable[str]) -> None:
        """These are in the spans file, on the disk."""
        for span_id in span_ids:
            self._ended += self._open.pop(span_id, None) is not None
        self._make_room()

    def forget(self) -> None:
        """What earlier runs left is in the spans file now."""
        self.left.clear()
        self._file.truncate(0)

    def close(self) -> None:
        """Let go of the file; it is gone where nothing is in flight."""
        self._file.close()
        if not self._open and not self.left:
            self.path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        if self._ended < self._crowded:
            return
        # In one step: a run killed amid it leaves the old file or the new one.
        file = appending(self._fresh)
        append(file, b"".join(self._open.values()), forced=False)
        self._fresh.replace(self.path)
        self._file.close()
        self._file, self._ended = file, 0


def beside(spans: Path) -> Path:
    """Where the calls in flight of a spans file are kept."""
    return spans.with_name(f"{spans.name}.inflight")


def left_in(path: Path) -> dict[str, dict[str, Any]]:
    """What a journal holds: by id of the span the last export that tells of it.

    Raises:
        LlmopsError: ``collect-damaged`` for what no run of ours wrote.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, export in objects(path):
        try:
            found.update((span["spanId"], export) for span, _ in spans_of(export))
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
            raise damaged(path, number) from None
    return found
