"""A cassette: what providers answered, kept in a file, so that a run is played without them.

It holds answers: only its owner may read it. Nothing is ever taken off it; to record anew, delete
the file.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.live.completions import Usage
from llmops_cli.live.episodes import SCHEMA, Episode
from llmops_cli.live.lines import append, appending, mend

__all__ = ["Cassette", "RecordMode"]

_OWNER_ONLY = 0o600


class RecordMode(StrEnum):
    """When something is asked and recorded; the names are those of VCR and its descendants."""

    NONE = "none"
    """Never: what is not on the cassette is refused."""
    ONCE = "once"
    """Where there is no cassette yet; else as ``none``."""
    NEW_EPISODES = "new_episodes"
    """What is not on the cassette, or has no answer there."""


class Cassette:
    """One file.

    Args:
        path: of the file.
        mode: when something is recorded.

    Attributes:
        records: whether what is not on it is asked and recorded.
        span_ids: of all attempts on it.

    Raises:
        LlmopsError: ``cassette-not-found``, ``cassette-unreadable`` by line and field,
            ``collect-running`` while another run records on it, ``output-unwritable``.
    """

    def __init__(self, path: Path, mode: RecordMode = RecordMode.NONE) -> None:
        self.path = path
        there = path.is_file() and path.stat().st_size > 0
        self.records = mode is RecordMode.NEW_EPISODES or (mode is RecordMode.ONCE and not there)
        self._file: BinaryIO | None = None
        self._places: dict[tuple[str, str], int] = {}
        self._answered: set[tuple[str, str]] = set()
        self.span_ids: set[str] = set()
        if self.records:
            self._file = appending(path, permissions=_OWNER_ONLY)
        elif not there:
            raise _not_found(path)
        try:
            self._read()
            self._mend()
        except BaseException:
            self.close()
            raise

    def __contains__(self, asked: tuple[str, str]) -> bool:
        """Whether a row's request is on it; both by its id and by the digest of the request."""
        return asked in self._places

    def answers(self, row: str, request: str) -> bool:
        """Whether somebody answered a request."""
        return (row, request) in self._answered

    def find(self, row: str, request: str) -> Episode | None:
        """What came of a request, the last time where it was asked again."""
        place = self._places.get((row, request))
        if place is None:
            return None
        with self.path.open("rb") as file:
            file.seek(place)
            return msgspec.json.decode(file.readline(), type=Episode)

    def episodes(self) -> Iterator[Episode]:
        """All that is on it, in the order in which it was recorded.

        Raises:
            LlmopsError: ``cassette-unreadable``.
        """
        for _, episode in self._lines():
            yield episode

    def add(self, episode: Episode) -> None:
        """Record; it is on the disk when this returns."""
        if self._file is None:
            raise ValueError(self.path)
        append(self._file, msgspec.json.encode(episode) + b"\n")

    def require(self, asked: Iterable[tuple[str, str]]) -> None:
        """Refuse to go on where a request is not on it, and may not be recorded.

        Args:
            asked: row and request of each.

        Raises:
            LlmopsError: ``cassette-without-request``, which names the first row.
        """
        if self.records:
            return
        lacking = [row for row, request in asked if (row, request) not in self]
        if not lacking:
            return
        changed = lacking[0] in {row for row, _ in self._places}
        others = f", nor are those of {len(lacking) - 1:,} others" if lacking[1:] else ""
        what = "as it is now, the request" if changed else "the request"
        raise LlmopsError(
            "cassette-without-request",
            f"{what} of '{lacking[0]}' is not on the cassette{others}; nothing was sent",
            hint="--record-mode new_episodes asks and records what is not on it",
            file=str(self.path),
        )

    def close(self) -> None:
        """Let go of the file, and of its lock."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> None:
        for place, episode in self._lines():
            self._places[episode.id, episode.request] = place
            if episode.answer is not None:
                self._answered.add((episode.id, episode.request))
            self.span_ids.update(item.span_id for item in episode.attempts)

    def _mend(self) -> None:
        if self._file is None:
            return
        try:
            mend(self._file, self.path, b'{"schema":"llmops.cassette/')
        except LlmopsError as error:
            raise _unreadable(self.path, error.line or 0, error) from None

    def _lines(self) -> Iterator[tuple[int, Episode]]:
        decode = msgspec.json.Decoder(Episode).decode
        place = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if self.records and not line.endswith(b"\n"):
                    return  # a recording that was killed; it is gone on with
                try:
                    if not line.endswith(b"\n"):
                        raise msgspec.DecodeError("the line has no end")  # noqa: TRY301
                    episode = decode(line)
                    _check(episode)
                except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                    raise _unreadable(self.path, number, error) from None
                yield place, episode
                place += len(line)


def _check(episode: Episode) -> None:
    for at, item in enumerate(episode.attempts):
        if item.answer is not None and item.failure is not None:
            raise msgspec.ValidationError(f"it failed and was answered - at `$.attempts[{at}]`")
        if item.answer is not None and _negative(item.answer.usage):
            reason = "tokens are negative"
            raise msgspec.ValidationError(f"{reason} - at `$.attempts[{at}].answer.usage`")


def _negative(usage: Usage) -> bool:
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    written = (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens)
    return min(*counts, *written, usage.reasoning_tokens or 0) < 0


def _not_found(path: Path) -> LlmopsError:
    return LlmopsError(
        "cassette-not-found",
        "there is no cassette, or nothing on it",
        hint="--record-mode once asks the providers and records what they answer",
        file=str(path),
    )


def _unreadable(path: Path, number: int, error: Exception) -> LlmopsError:
    # The message of a value that does not fit ends with its place; none quotes the value.
    reason, _, at = str(error).partition(" - at ")
    known = isinstance(error, msgspec.ValidationError)
    return LlmopsError(
        "cassette-unreadable",
        f"the line is not of '{SCHEMA}': {reason[:1].lower() + reason[1:]}"
        if known
        else "the line is not whole JSON",
        hint="record it anew, or cut the line off and let --record-mode new_episodes ask again",
        file=str(path),
        line=number,
        field=at.strip("`$.") if known else "",
    )
