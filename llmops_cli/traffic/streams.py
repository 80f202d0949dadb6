"""Files become lines: decompression, encoding marks, and limits that no file may break.

A line, a ratio or an end that cannot be right is named; nothing is read past it in silence.
"""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.sources import STDIN, Source, remote

Bytes = npt.NDArray[np.uint8]

__all__ = [
    "LINE_LIMIT",
    "TOO_LONG",
    "Slab",
    "lines",
    "open_bytes",
    "open_packed",
    "pieces",
    "require_utf8",
]

LINE_LIMIT = 64 << 20
"""Longest line that is read: twice the largest request any provider takes."""
TOO_LONG = b""
"""Stands for a line past the limit, of which nothing was kept."""

_BUFFER = 1 << 20  # lines of agents run to hundreds of kilobytes
_SLAB = 3 << 19  # fewer lines at once pay more for each call, more leave the processor's cache
_AHEAD = 1 << 22  # and exports of telemetry to megabytes: a line in two pieces is copied twice
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PACKED = ((".gz", b"\x1f\x8b"), (".zst", b"\x28\xb5\x2f\xfd"))
_UNPACK = {".gz": "gzip -dc", ".zst": "zstd -dc"}
_NEWLINE = 0x0A
_RATIO = 1000
_RATIO_FROM = 100 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """Whole lines as they lie one behind the other in a file, until the next is asked for.

    Attributes:
        data: their bytes, a newline at the end of each.
        ends: where those newlines are.
    """

    data: Bytes
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many lines."""
        return len(self.ends)

    def __iter__(self) -> Iterator[bytes]:
        """The lines one by one."""
        return iter(io.BytesIO(self.data.tobytes()))


def lines(
    source: Source, start: int = 0, end: int | None = None, *, blank: bool = False
) -> Iterator[tuple[int, bytes]]:
    """The lines that begin between two places of a file, with their 1-based numbers.

    Numbers count from the first of these lines; the UTF-8 byte order mark is removed. Blank
    lines are left out, except where ``blank`` asks for them: inside a quoted field of a CSV
    they are content. A line past :data:`LINE_LIMIT` comes as :data:`TOO_LONG`.

    Raises:
        LlmopsError: ``traffic-unreadable``, ``traffic-empty``, ``traffic-not-utf8`` for UTF-16,
            ``traffic-truncated-gzip``, ``traffic-zip-bomb``, ``traffic-stdin-closed``.
    """
    for number, line in pieces(source, start, end, _one_by_one):
        if isinstance(line, bytes) and (blank or line is TOO_LONG or not line.isspace()):
            yield number, line


def pieces(
    source: Source, start: int, end: int | None, several: Callable[[], bool]
) -> Iterator[tuple[int, bytes | Slab]]:
    """As :func:`lines` with blank ones among them, and many lines at once where they are welcome.

    Args:
        source: the file.
        start: where the first line may begin.
        end: where no further line begins; None is the end of the file.
        several: asked before every line but the first whether a slab may come in its place.

    Raises:
        LlmopsError: as :func:`lines`.
    """
    empty = start == 0
    for number, piece in _numbered(source, start, end, several):
        empty = empty and isinstance(piece, bytes) and piece is not TOO_LONG and piece.isspace()
        yield number, piece
    if empty and end is None:
        raise LlmopsError(
            "traffic-empty",
            "there is nothing in it",
            hint="an empty log answers nothing; check the export that made it",
            file=source.name,
        )


def _one_by_one() -> bool:
    return False


def _numbered(
    source: Source, start: int, end: int | None, several: Callable[[], bool]
) -> Iterator[tuple[int, bytes | Slab]]:
    try:
        with open_bytes(source) as stream:
            if start:
                # The line that runs across the border belongs to the part it begins in.
                stream.seek(start - 1)
                _skip_line(stream)
            place, number, rest, ahead = stream.tell() if start else 0, 0, b"", _Ahead(stream)
            while (end is None or place < end) and (
                line := rest + stream.readline(LINE_LIMIT - len(rest))
            ):
                number, rest = number + 1, b""
                place += len(line)
                if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
                    place += _skip_line(stream)
                    line = TOO_LONG
                elif number == 1 and start == 0:
                    line = _first(line, source)
                    if not line:
                        continue
                elif number > 1 and _short(line) and several():
                    slab, rest = ahead.slab(line, _SLAB if end is None else max(end - place, 0))
                    yield number, slab
                    number += len(slab) - 1
                    place += len(slab.data) - len(line)
                    continue
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(source) from error
    except OSError as error:
        if source.name.lower().endswith(".zst") and error.errno is None:
            raise _damaged(source) from error
        raise LlmopsError(
            "traffic-unreadable",
            f"cannot be read: {error.strerror or 'the store refuses'}",
            file=source.name,
        ) from error


def _short(line: bytes) -> bool:
    return line.endswith(b"\n") and 2 * len(line) < _SLAB


class _Ahead:
    """Reads ahead, again and again into the same memory: fresh memory costs more than reading."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream
        self._bytes: Bytes | None = None

    def slab(self, line: bytes, most: int) -> tuple[Slab, bytes]:
        """A line with whole lines behind it, and what was read of the line behind those.

        Args:
            line: not longer than the buffer, and with its newline.
            most: how many bytes further lines may begin in.
        """
        if self._bytes is None:
            self._bytes, self._found = np.empty(_SLAB, np.uint8), np.empty(_SLAB, np.bool_)
        begin, limit = len(line), min(len(line) + most, _SLAB)
        self._bytes[:begin] = np.frombuffer(line, np.uint8)
        filled = begin + self._stream.readinto(self._bytes.data[begin:limit])
        np.equal(self._bytes[:filled], _NEWLINE, out=self._found[:filled])
        ends = np.flatnonzero(self._found[:filled])
        whole = int(ends[-1]) + 1
        return Slab(self._bytes[:whole], ends), self._bytes[whole:filled].tobytes()


def require_utf8(line: bytes) -> None:
    """Refuse a line that is not UTF-8, without holding all of it as text.

    Raises:
        UnicodeDecodeError: what is wrong.
    """
    if len(line) <= _BUFFER:
        line.decode()
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for at in range(0, len(line), _BUFFER):
        decode(line[at : at + _BUFFER], at + _BUFFER >= len(line))


def _damaged(source: Source) -> LlmopsError:
    kind = "zstd" if source.name.lower().endswith(".zst") else "gzip"
    return LlmopsError(
        f"traffic-truncated-{kind}",
        f"the {kind} data is damaged or cut off",
        hint="copy the file again; nothing of it was used",
        file=source.name,
    )


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while piece := stream.readline(_BUFFER):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def _first(line: bytes, source: Source) -> bytes:
    for ending, mark in _PACKED:
        if line.startswith(mark):
            raise LlmopsError(
                "traffic-packed",
                f"this is compressed, and its name does not end in {ending}",
                hint=f"rename it, or pipe it in unpacked: {_UNPACK[ending]} FILE | llmops … -",
                file=source.name,
            )
    if line.startswith(_UTF_16):
        raise LlmopsError(
            "traffic-not-utf8",
            "this is UTF-16, not UTF-8",
            hint="convert it first: iconv -f UTF-16 -t UTF-8",
            file=source.name,
            line=1,
        )
    return line.removeprefix(_BOM)


def open_bytes(source: Source) -> BinaryIO:
    """The decompressed bytes of a source.

    Raises:
        LlmopsError: ``traffic-stdin-closed``; ``traffic-zip-bomb`` while reading.
        OSError: what the file system says.
    """
    raw = open_packed(source)
    name = source.name.lower()
    if name.endswith(".gz"):
        return io.BufferedReader(_Unpacked(gzip.GzipFile(fileobj=raw), raw, source), _BUFFER)
    if name.endswith(".zst"):
        import pyarrow as pa  # noqa: PLC0415 - only for its decompressor

        inner = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        return io.BufferedReader(_Unpacked(inner, raw, source), _BUFFER)
    return raw


def open_packed(source: Source) -> BinaryIO:
    """The bytes of a source as they lie there, compressed or not.

    Raises:
        LlmopsError: ``traffic-stdin-closed``.
        OSError: what the file system says.
    """
    if source.is_remote:
        store, path = remote(source.name)
        return store.open(path, "rb")
    if source.name != STDIN:
        file = Path(source.name).open("rb", _AHEAD)  # noqa: SIM115 - closed with what is returned
        return file if source.end is None else io.BufferedReader(_Part(file, source), _BUFFER)
    if sys.stdin is None or sys.stdin.closed:  # pyright: ignore[reportUnnecessaryComparison]
        raise LlmopsError(
            "traffic-stdin-closed",
            "standard input is closed",
            hint="pipe a log into llmops, or name a file",
            file=STDIN,
        )
    # A copy, so that closing the stream after reading leaves stdin itself open.
    return open(sys.stdin.fileno(), "rb", closefd=False)


class _Part(io.RawIOBase):
    """The bytes between two places of a file."""

    def __init__(self, whole: BinaryIO, source: Source) -> None:
        self._whole: Any = whole
        self._left = (source.end or 0) - source.start
        whole.seek(source.start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        found = self._whole.readinto(memoryview(buffer)[: self._left])
        self._left -= found
        return found

    def close(self) -> None:
        if not self.closed:
            self._whole.close()
        super().close()


class _Unpacked(io.RawIOBase):
    """Decompressed bytes under a watch: no log shrinks a thousandfold."""

    def __init__(self, inner: Any, packed: BinaryIO, source: Source) -> None:  # noqa: ANN401
        self._inner = inner
        self._packed = packed
        self._source = source
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        if self._given > _RATIO_FROM and self._given > _RATIO * self._packed.tell():
            raise LlmopsError(
                "traffic-zip-bomb",
                f"it unpacks to more than {_RATIO:,} times its size",
                hint="no log does; unpack it by hand if you trust it",
                file=self._source.name,
            )
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._packed.close()
        super().close()
