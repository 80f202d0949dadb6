"""Files of messages that each have their length before them, and how they are cut between them.

The collector's file exporter writes OTLP protobuf so: four bytes of length, big endian, then
the export. Each part of such a file is a file of messages again.
"""

import os

from llmops_cli.traffic.sources import Source

__all__ = ["FIRST_FIELD", "LENGTH_BYTES", "MOST_BYTES", "framed", "opening"]

MOST_BYTES = 128 << 20
"""No export is longer. A bare message, whose first byte is 10, never looks like a length."""
LENGTH_BYTES = 4
FIRST_FIELD = 0x0A
"""How each export begins: its resources are field 1."""


def opening(head: bytes) -> int:
    """The length of a message that a file may begin with; 0 where it begins with something else.

    Args:
        head: a length, and the byte behind it.
    """
    length = int.from_bytes(head[:LENGTH_BYTES], "big")
    return length if head[LENGTH_BYTES:] == bytes([FIRST_FIELD]) and length <= MOST_BYTES else 0


def framed(source: Source, most: int) -> list[tuple[int, int, int]]:
    """Parts of a plain file, about so long: start, end, and how many messages lie between.

    Args:
        source: the file.
        most: when a part is long enough, in bytes.

    Returns:
        All parts in order; what follows on the last whole message belongs to the last part.
        Nothing where the file does not begin with such a message, or cannot be read.
    """
    try:
        file = os.open(source.name, os.O_RDONLY)
    except OSError:
        return []
    try:
        return _parts(file, os.fstat(file).st_size, most)
    except OSError:
        return []
    finally:
        os.close(file)


def _parts(file: int, size: int, most: int) -> list[tuple[int, int, int]]:
    found = list[tuple[int, int, int]]()
    begin = at = messages = 0
    while at < size:
        head = os.pread(file, LENGTH_BYTES + 1, at)
        length, opens = int.from_bytes(head[:LENGTH_BYTES], "big"), opening(head) > 0
        if not found and not messages and not opens:
            return []
        if opens and at - begin >= most:
            found.append((begin, at, messages))
            begin, messages = at, 0
        if length > MOST_BYTES or at + LENGTH_BYTES + length > size:
            break
        at, messages = at + LENGTH_BYTES + length, messages + 1
    return [*found, (begin, size, messages)] if size else []
