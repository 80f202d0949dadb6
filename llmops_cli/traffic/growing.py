"""JSON lists that come again, and again with more at the end: only what is new is decoded.

Every call of a conversation repeats all of its messages, and every call of an agent its tools.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, AnyStr, Generic

import msgspec

from llmops_cli.traffic.prompts import Block, Cutter, Items, Part, Run

__all__ = ["GrowingLists"]

_MOST_CHARACTERS = 16_000_000
_PER_KEY = 4
"""Agents that work side by side in one conversation grow a list each."""
_TAIL = 64

_NONE: list[Any] = []

_as_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class GrowingLists(Generic[AnyStr]):
    """Splits JSON lists into parts, remembering what it split before.

    Keys only say where to look: whether a text begins as a remembered one is always compared.

    Args:
        marks: how a list opens, goes on and closes, as a text of the kind that lists come in.
        split: splits a text of which nothing is known.
        most_characters: how much text is remembered at most; then all is forgotten.
        cut: counts the items of a list and cuts them, all at once; None where they have to be
            cut one by one.
    """

    def __init__(
        self,
        marks: AnyStr,
        split: Callable[[AnyStr, Cutter], tuple[Part, ...]],
        most_characters: int = _MOST_CHARACTERS,
        cut: Callable[[AnyStr, Cutter], tuple[int, tuple[Block, ...]] | None] | None = None,
    ) -> None:
        self._split, self._cut = split, cut
        self._opens, self._goes_on, self._closes = marks[:1], marks[1:2], marks[2:]
        # Texts, those that may grow without their last bracket, and the parts of each.
        self._known: dict[Hashable, list[tuple[AnyStr, Run]]] = {}
        self._most = most_characters
        self._held = 0

    def same(self, text: AnyStr, cutter: Cutter) -> Run:
        """The parts of a text that mostly comes again as it is.

        Raises:
            msgspec.DecodeError: it is not the JSON it should be.
        """
        key = cutter, len(text), text[-_TAIL:]
        for known, run in self._known.get(key, ()):
            if known == text:
                return run
        run = Run(self._split(text, cutter))
        self._remember(key, text, run)
        return run

    def grown(self, text: AnyStr, cutter: Cutter, of: str) -> Run:
        """The parts of a text that mostly continues an earlier one.

        Args:
            text: a list in JSON, or what stands in its place.
            cutter: cuts each of its parts.
            of: what the list belongs to, a conversation say.

        Raises:
            msgspec.DecodeError: it is not the JSON it should be.
        """
        return self._parts(text, cutter, [(cutter, of)])

    def continued(self, text: AnyStr, cutter: Cutter, first: Cutter | None = None) -> Run:
        """The same where nobody says what the list belongs to: what it says at some places does.

        Args:
            text: a list in JSON.
            cutter: cuts each of its parts.
            first: cuts the first of them, where that is another.

        Raises:
            msgspec.DecodeError: it is not the JSON it should be.
        """
        return self._parts(text, cutter, _places(text, first or cutter), first)

    def _parts(
        self,
        text: AnyStr,
        cutter: Cutter,
        keys: Iterable[Hashable],
        first: Cutter | None = None,
    ) -> Run:
        to: Hashable = None
        for key in keys:
            to = to or key
            known = self._known.get(key, _NONE)
            for one in reversed(known):
                stem, run = one
                if not text.startswith(stem):
                    continue
                if len(text) == len(stem) + 1 and text[-1:] == self._closes:
                    return run
                more = self._more(text, len(stem), cutter, run)
                if more is not None:
                    known.remove(one)
                    self._held -= len(stem)
                    self._remember(to, text[:-1], more)
                    return more
        run = _begun(self._split(text, cutter), first)
        if run.size and text[:1] == self._opens and text[-1:] == self._closes:
            self._remember(to, text[:-1], run)
        return run

    def _more(self, whole: AnyStr, begin: int, cutter: Cutter, before: Run) -> Run | None:
        """What comes after the items that are known; None where that is no continuation.

        Raises:
            msgspec.DecodeError: it is one, but no JSON.
        """
        if whole[begin : begin + 1] != self._goes_on or whole[-1:] != self._closes:
            return None
        text = self._opens + whole[begin + 1 :]
        cut = None if self._cut is None else self._cut(text, cutter)
        if cut is not None:
            return Run(Items(text, cutter, cut[0]), before, cut[1]) if cut[0] else None
        items = _as_list(text)
        return Run(tuple([(cutter, bytes(item)) for item in items]), before) if items else None

    def _remember(self, key: Hashable, text: AnyStr, run: Run) -> None:
        size = len(text)
        if size > self._most // _PER_KEY:
            return  # it would only drive out everything else
        self._held += size
        if self._held > self._most:
            self._known, self._held = {}, size
        known = self._known.setdefault(key, [])
        known.append((text, run))
        if len(known) > _PER_KEY:
            self._held -= len(known.pop(0)[0])


def _places(text: AnyStr, cutter: Cutter) -> Iterator[Hashable]:
    """What a text says at some places: a list that has grown says the same at all but the first.

    Each is half as far as the one before: lists that begin alike are told apart further on.
    """
    at = 1 << len(text).bit_length() - 1
    while at > _TAIL:
        yield cutter, text[at - _TAIL : at]
        at >>= 1
    yield cutter, text[:_TAIL]


def _begun(parts: tuple[Part, ...], first: Cutter | None) -> Run:
    if first is not None and parts:
        parts = ((first, parts[0][1]), *parts[1:])
    return Run(parts)
