"""What a prompt is: raw parts before it is cut, in runs that come again; its blocks afterwards.

A prompt of a thousand messages is the one before it and two more: whoever knows a run by its
identity need not look at its parts again.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import overload

import msgspec

__all__ = [
    "BYTES_PER_TOKEN",
    "NO_PROMPT",
    "NO_RUN",
    "Block",
    "Cutter",
    "Part",
    "Prompt",
    "Run",
    "Runs",
    "joined",
]

BYTES_PER_TOKEN = 4
"""Without usage in the log a block counts one token per four bytes of UTF-8 text."""

Block = tuple[bytes, int, int, int]
"""Digest of the content, size in bytes, BlockKind, Marker."""

Cutter = Callable[[bytes], tuple[Block, ...]]
"""Cuts one raw JSON value (a message, a tool, a system prompt) into its blocks."""

Part = tuple[Cutter, bytes]
"""One raw part of a prompt and how to cut it."""


class Run:
    """Parts that stand together, told from others by identity alone.

    Args:
        more: parts.
        before: the run that they continue, whose parts come first.
    """

    __slots__ = ("before", "more", "size")

    def __init__(self, more: tuple[Part, ...], before: "Run | None" = None) -> None:
        self.more = more
        self.before = before if before is None or before.size else None
        self.size = len(more) + (before.size if before is not None else 0)

    def __len__(self) -> int:
        """How many parts."""
        return self.size

    def __iter__(self) -> Iterator[Part]:
        """Its parts, from the first."""
        for run in self.since(None):
            yield from run.more

    def since(self, known: "Run | None") -> "list[Run]":
        """The runs that it is made of, without those up to ``known``."""
        found, run = list[Run](), self
        while run is not None and run is not known:
            found.append(run)
            run = run.before
        return found[::-1]


NO_RUN = Run(())


class Runs(Sequence[Part]):
    """A whole prompt, run by run.

    Args:
        runs: in prefix order.
    """

    __slots__ = ("runs", "size")

    def __init__(self, *runs: Run) -> None:
        self.runs = runs
        self.size = sum([run.size for run in runs])

    def __len__(self) -> int:
        """How many parts."""
        return self.size

    def __iter__(self) -> Iterator[Part]:
        """Its parts, from the first."""
        for run in self.runs:
            yield from run

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        """One of its parts, or some."""
        return list(self)[index]


class Prompt(msgspec.Struct, frozen=True, gc=False):
    """The blocks of one call, as bytes ready for the flat arrays of the calls table."""

    hashes: bytes
    sizes: tuple[int, ...]
    kinds: bytes
    markers: bytes

    @property
    def estimated_tokens(self) -> int:
        """Tokens by the four-bytes rule, each block rounded up."""
        return sum(-(-size // BYTES_PER_TOKEN) for size in self.sizes)

    def __add__(self, more: "Prompt") -> "Prompt":
        """This prompt with more blocks behind it."""
        return Prompt(
            self.hashes + more.hashes,
            self.sizes + more.sizes,
            self.kinds + more.kinds,
            self.markers + more.markers,
        )


NO_PROMPT = Prompt(b"", (), b"", b"")


def joined(prompts: list[Prompt]) -> Prompt:
    """The blocks of several, one behind the other."""
    return Prompt(
        b"".join([prompt.hashes for prompt in prompts]),
        tuple(chain.from_iterable([prompt.sizes for prompt in prompts])),
        b"".join([prompt.kinds for prompt in prompts]),
        b"".join([prompt.markers for prompt in prompts]),
    )
