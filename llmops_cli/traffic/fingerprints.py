"""Files known by their bytes: the same log under any name, and a log that has grown since."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.sources import STDIN, Source
from llmops_cli.traffic.streams import open_packed

__all__ = ["Fingerprint", "Seen", "look"]

_PIECE = 1 << 20


class Fingerprint(msgspec.Struct, frozen=True):
    """A file as it was when it was read.

    Attributes:
        name: as the user named it.
        bytes: its length.
        digest: 128 bits of its content, hexadecimal.
    """

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that is given now.

    Attributes:
        source: where it is.
        print: its fingerprint.
        beginnings: digests of its first bytes, at the lengths that were asked about.
    """

    source: Source
    print: Fingerprint
    beginnings: frozenset[tuple[int, str]]

    def holds(self, other: Fingerprint) -> bool:
        """Whether this is ``other``, as it was or with more behind it."""
        return other.digest == self.print.digest or (other.bytes, other.digest) in self.beginnings


def look(source: Source, lengths: Iterable[int]) -> Seen:
    """Read a file through once.

    Args:
        source: a file.
        lengths: of files known from before, in bytes; this one may begin with one of them.

    Raises:
        LlmopsError: ``dataset-from-stdin``, ``traffic-unreadable``.
    """
    if source.name == STDIN:
        raise LlmopsError(
            "dataset-from-stdin",
            "a dataset takes files, which it knows again; standard input has no name",
            hint="write a single file instead: -o calls.parquet",
            exit_code=ExitCode.USAGE,
        )
    wanted = sorted({length for length in lengths if length > 0}, reverse=True)
    hashed, length = blake2b(digest_size=16), 0
    beginnings = set[tuple[int, str]]()
    try:
        with open_packed(source) as stream:
            while piece := stream.read(min(_PIECE, wanted[-1] - length) if wanted else _PIECE):
                hashed.update(piece)
                length += len(piece)
                if wanted and length == wanted[-1]:
                    beginnings.add((wanted.pop(), hashed.hexdigest()))
    except OSError as error:
        raise LlmopsError(
            "traffic-unreadable",
            f"cannot be read: {error.strerror or 'the store refuses'}",
            file=source.name,
        ) from error
    whole = Fingerprint(source.name, length, hashed.hexdigest())
    return Seen(source, whole, frozenset(beginnings))
