"""JSON lists that come again, and again with more at the end: only what is new is decoded.

Every span of a conversation repeats all of its messages, and every span of an agent its tools.
"""

from collections.abc import Callable, Hashable

import msgspec

from llmops_cli.traffic.prompts import Block, Cutter, Items, Part, Run

__all__ = ["GrowingLists"]

_MOST_CHARACTERS = 16_000_000
_PER_KEY = 4
"""Agents that work side by side in one conversation grow a list each."""
_TAIL = 64

_as_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

Split = Callable[[str, Cutter], tuple[Part, ...]]

Cut = Callable[[str, Cutter], tuple[int, tuple[Block, ...]] | None]

_Known = tuple[str, Run]
"""A text without its last bracket, and the parts it was split into."""

_NONE: list[_Known] = []


class GrowingLists:
    """Splits JSON lists into parts, remembering what it split before.

    Keys only say where to look: whether a text begins as a remembered one is always compared.

    Args:
        split: splits a text of which nothing is known.
        most_characters: how much text is remembered at most; then all is forgotten.
        cut: counts the items of a list and cuts them, all at once; None where they have to be
            cut one by one.
    """

    def __init__(
        self, split: Split, most_characters: int = _MOST_CHARACTERS, cut: Cut | None = None
    ) -> None:
        self._split, self._cut = split, cut
        self._known: dict[Hashable, list[_Known]] = {}
        self._most = most_characters
        self._held = 0

    def same(self, text: str, cutter: Cutter) -> Run:
        """The parts of a text that mostly comes again as it is.

        Raises:
            msgspec.DecodeError: it is not the JSON it should be.
        """
        return self._parts(text, cutter, (cutter, len(text), text[-_TAIL:]))

    def grown(self, text: str, cutter: Cutter, of: str) -> Run:
        """The parts of a text that mostly continues an earlier one.

        Args:
            text: a list in JSON, or what stands in its place.
            cutter: cuts each of its parts.
            of: what the list belongs to, a conversation say.

        Raises:
            msgspec.DecodeError: it is not the JSON it should be.
        """
        return self._parts(text, cutter, (cutter, of))

    def _parts(self, text: str, cutter: Cutter, key: Hashable) -> Run:
        known = self._known.get(key, _NONE)
        for at in range(len(known) - 1, -1, -1):
            stem, run = known[at]
            if not text.startswith(stem):
                continue
            if len(text) == len(stem) + 1 and text[-1] == "]":
                return run
            more = self._more(text, len(stem), cutter, run)
            if more is not None:
                known[at] = text[:-1], more
                self._count(len(text) - len(stem))
                return more
        run = Run(self._split(text, cutter))
        if run.size and text[0] == "[" and text[-1] == "]":
            self._remember(key, (text[:-1], run))
        return run

    def _more(self, whole: str, begin: int, cutter: Cutter, before: Run) -> Run | None:
        """What comes after the items that are known; None where that is no continuation.

        Raises:
            msgspec.DecodeError: it is one, but no JSON.
        """
        if whole[begin : begin + 1] != "," or whole[-1] != "]":
            return None
        text = "[" + whole[begin + 1 :]
        cut = None if self._cut is None else self._cut(text, cutter)
        if cut is not None:
            return Run(Items(text, cutter, cut[0]), before, cut[1]) if cut[0] else None
        items = _as_list(text)
        return Run(tuple([(cutter, bytes(item)) for item in items]), before) if items else None

    def _remember(self, key: Hashable, one: _Known) -> None:
        if len(one[0]) > self._most // _PER_KEY:
            return  # it would only drive out everything else
        self._count(len(one[0]))
        known = self._known.setdefault(key, [])
        known.append(one)
        if len(known) > _PER_KEY:
            self._held -= len(known.pop(0)[0])

    def _count(self, characters: int) -> None:
        self._held += characters
        if self._held > self._most:
            self._known, self._held = {}, characters
