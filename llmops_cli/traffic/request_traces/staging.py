"""Requests as they are read, row by row, in flat arrays: no Python object stays behind a block."""

from array import array
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from math import isfinite

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.quarantine import RowError

__all__ = ["MOST_TOKENS", "Staged"]

MOST_TOKENS = 1 << 31
"""More tokens than this in one request is a damaged number, not a prompt."""

_WORD = 1 << 64
_HALF = 1 << 63
_HEX = 16


class Staged:
    """Rows of one trace, of one or more files in order."""

    def __init__(self) -> None:
        self._time_s = array("d")
        self._input, self._output = array("q"), array("q")
        self._counts, self._ids = array("q"), array("q")
        self._session, self._line, self._file = array("q"), array("q"), array("q")
        self._sessions: dict[Hashable, int] = {}
        self._roots: dict[Hashable, Hashable] = {}
        self.files: list[str] = []
        self.block_size: int | None = None

    def __len__(self) -> int:
        """How many requests."""
        return len(self._line)

    def begin(self, file: str) -> None:
        """What is added from here on stands in this file."""
        self.files.append(file)

    def add(
        self,
        line: int,
        time_s: float,
        tokens: tuple[int, int],
        ids: Sequence[int | str] | None = None,
        session: Hashable = None,
        *,
        names: tuple[str, str, str] = ("timestamp", "input_length", "output_length"),
    ) -> None:
        """Keep a row.

        Args:
            line: where it stands in the file.
            time_s: its arrival, on any clock of the whole trace.
            tokens: of the prompt and of the answer.
            ids: hashes of its blocks, numbers or text.
            session: whatever names its conversation.
            names: what the file calls time, input and output.

        Raises:
            RowError: ``trace-bad-time``, ``trace-no-input``, ``trace-no-output``,
                ``trace-bad-length``.
        """
        _check(time_s, tokens, names)
        words = array("q") if ids is None else words_of(ids)
        self._time_s.append(time_s)
        self._input.append(tokens[0])
        self._output.append(tokens[1])
        self._counts.append(len(words))
        self._ids.extend(words)
        self._line.append(line)
        self._file.append(len(self.files) - 1)
        known = self._sessions
        self._session.append(-1 if session is None else known.setdefault(session, len(known)))

    def root_of(self, name: Hashable, before: Hashable | None) -> Hashable:
        """The first turn of a conversation, of a turn that names the one before it."""
        root = name if before is None else self._roots.get(before, before)
        self._roots[name] = root
        return root

    def say_block_size(self, tokens: int | None) -> None:
        """The file says how large its blocks are.

        Raises:
            RowError: ``trace-two-block-sizes`` where it said otherwise before.
        """
        if tokens is None:
            return
        if not 0 < tokens < MOST_TOKENS or self.block_size not in {None, tokens}:
            raise RowError(
                "trace-two-block-sizes",
                f"blocks of {tokens:,} tokens, where rows before have {self.block_size or 1:,}",
                "block_size",
            )
        self.block_size = tokens

    def place(self, row: int) -> tuple[str, int]:
        """File and line of a row."""
        return self.files[self._file[row]], self._line[row]

    @property
    def time_s(self) -> npt.NDArray[np.float64]:
        """Arrival of every request."""
        return np.frombuffer(self._time_s, np.float64)

    @property
    def input_tokens(self) -> npt.NDArray[np.int64]:
        """Tokens of every prompt."""
        return np.frombuffer(self._input, np.int64)

    @property
    def output_tokens(self) -> npt.NDArray[np.int64]:
        """Tokens of every answer."""
        return np.frombuffer(self._output, np.int64)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Block hashes of every request."""
        return np.frombuffer(self._counts, np.int64)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The block hashes of all requests, one behind the other."""
        return np.frombuffer(self._ids, np.int64)

    @property
    def session(self) -> npt.NDArray[np.int64]:
        """Conversation of every request, or -1."""
        return np.frombuffer(self._session, np.int64)

    @property
    def line(self) -> npt.NDArray[np.int64]:
        """Line of every request in its file."""
        return np.frombuffer(self._line, np.int64)


def _check(time_s: float, tokens: tuple[int, int], names: tuple[str, str, str]) -> None:
    if not isfinite(time_s):
        raise RowError("trace-bad-time", "the arrival is not a finite number", names[0])
    for count, name, what in zip(tokens, names[1:], ("input", "output"), strict=True):
        if count == 0:
            raise RowError(
                f"trace-no-{what}",
                f"no {what} token: a request that "
                + ("asks nothing" if what == "input" else "was answered with nothing")
                + " is none that a fleet served",
                name,
            )
        if not 0 < count < MOST_TOKENS:
            raise RowError("trace-bad-length", "not a possible number of tokens", name)


def words_of(ids: Sequence[int | str]) -> "array[int]":
    """Block hashes as words of 64 bits, whatever they were: equal ones stay equal."""
    try:
        return array("q", ids)  # type: ignore[arg-type] - text is told by the exception
    except (TypeError, OverflowError):
        return array("q", map(_word, ids))


def _word(value: int | str) -> int:
    if isinstance(value, str):
        value = _of_text(value)
    value %= _WORD
    return value - _WORD if value >= _HALF else value


def _of_text(text: str) -> int:
    # A short hexadecimal hash keeps all of its bits; a long one keeps 64, as many as are compared.
    bare = text.removeprefix("0x")
    if len(bare) <= _HEX:
        try:
            return int(bare, 16)
        except ValueError:
            pass
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
