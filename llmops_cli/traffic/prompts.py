"""What a prompt is: raw parts before it is cut, in runs that come again; its blocks afterwards.

A prompt of a thousand messages is the one before it and two more: whoever knows a run by its
identity need not look at its parts again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import byteorder
from typing import overload

import msgspec

__all__ = [
    "BYTES_PER_TOKEN",
    "NO_PROMPT",
    "NO_RUN",
    "Block",
    "Cutter",
    "Items",
    "Part",
    "Prompt",
    "Run",
    "Runs",
    "joined",
    "prompt_of",
]

BYTES_PER_TOKEN = 4
"""Without usage in the log a block counts one token per four bytes of UTF-8 text."""

Block = tuple[bytes, int, int, int]
"""Digest of the content, size in bytes, BlockKind, Marker."""

Cutter = Callable[[bytes], tuple[Block, ...]]
"""Cuts one raw JSON value (a message, a tool, a system prompt) into its blocks."""

Part = tuple[Cutter, bytes]
"""One raw part of a prompt and how to cut it."""


class Items(msgspec.Struct, gc=False, eq=False):
    """Parts that are the items of a JSON list, only split where they are asked for.

    Attributes:
        text: the list.
        cutter: cuts each of them.
        count: how many they are.
    """

    text: str
    cutter: Cutter
    count: int

    def __len__(self) -> int:
        """How many parts."""
        return self.count

    def __iter__(self) -> Iterator[Part]:
        """All parts."""
        for item in msgspec.json.decode(self.text, type=list[msgspec.Raw]):
            yield self.cutter, bytes(item)


class Run:
    """Parts that stand together, told from others by identity alone.

    No structure of msgspec: long chains of those cannot be let go of without a deep stack.

    Args:
        more: parts.
        before: the run that they continue, whose parts come first.
        blocks: what ``more`` is cut into, where that is known already.
    """

    __slots__ = ("before", "blocks", "more", "size")

    def __init__(
        self,
        more: tuple[Part, ...] | Items,
        before: "Run | None" = None,
        blocks: tuple[Block, ...] | None = None,
    ) -> None:
        self.more, self.before, self.blocks, self.size = more, before, blocks, len(more)
        if before is not None:
            self.size += before.size
            if not before.size:
                self.before = None

    def __len__(self) -> int:
        """How many parts."""
        return self.size

    def __iter__(self) -> Iterator[Part]:
        """Its parts, from the first."""
        for run in self.since(None):
            yield from run.more

    def cut(self) -> tuple[Block, ...]:
        """The blocks of its own parts.

        Raises:
            RowError: ``calls-bad-content``.
        """
        blocks, self.blocks = self.blocks, None  # one reader asks for them, and only once
        if blocks is not None:
            return blocks
        return tuple([block for cutter, raw in self.more for block in cutter(raw)])

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
        self.size = 0
        for run in runs:
            self.size += run.size

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
    """The blocks of one call, as bytes ready for the flat arrays of the calls table.

    Attributes:
        hashes: 16 bytes each.
        weights: how many bytes of content each has, as 64-bit integers.
        kinds: a byte each.
        markers: a byte each.
    """

    hashes: bytes
    weights: bytes
    kinds: bytes
    markers: bytes

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.kinds)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bytes of content each block has."""
        return tuple(memoryview(self.weights).cast("q"))

    @property
    def estimated_tokens(self) -> int:
        """Tokens by the four-bytes rule, each block rounded up."""
        return sum(-(-size // BYTES_PER_TOKEN) for size in self.sizes)


NO_PROMPT = Prompt(b"", b"", b"", b"")


def prompt_of(
    hashes: Iterable[bytes], blocks: Sequence[Block], before: Prompt = NO_PROMPT
) -> Prompt:
    """Blocks behind those of another prompt.

    Args:
        hashes: of the blocks, chained.
        blocks: the blocks.
        before: the other prompt.
    """
    return Prompt(
        before.hashes + b"".join(hashes),
        before.weights + b"".join([block[1].to_bytes(8, byteorder) for block in blocks]),
        before.kinds + bytes([block[2] for block in blocks]),
        before.markers + bytes([block[3] for block in blocks]),
    )


def joined(prompts: list[Prompt]) -> Prompt:
    """The blocks of several, one behind the other."""
    return Prompt(
        b"".join([prompt.hashes for prompt in prompts]),
        b"".join([prompt.weights for prompt in prompts]),
        b"".join([prompt.kinds for prompt in prompts]),
        b"".join([prompt.markers for prompt in prompts]),
    )
