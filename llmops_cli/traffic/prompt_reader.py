"""Prompts are cut into blocks and chained, and what came before is not cut again.

Growing conversations send the same messages again and again, so every part of a prompt is
remembered by its bytes and its place: only what is new in a call is parsed and hashed. Where
parts come in runs, a run that continues a known one is remembered as a whole.
"""

from collections.abc import Iterable, Sequence

import msgspec

from llmops_cli.calls import HASH_BYTES
from llmops_cli.traffic.blocks import key_of, links
from llmops_cli.traffic.prompts import NO_PROMPT, Part, Prompt, Run, Runs, joined, prompt_of
from llmops_cli.traffic.quarantine import RowError

__all__ = ["PromptReader"]

MOST_PARTS = 100_000
"""No API takes more messages in one request; Anthropic's says so."""

_MEMORY_BYTES = 64_000_000
_NODE_BYTES = 600
_BLOCK_BYTES = 80
"""What Python's objects for one part and for one block take beside its text."""


class _Node(msgspec.Struct, gc=False, eq=False):
    """One part at one place in a prompt: its blocks, chained to everything before them."""

    last: bytes
    own: Prompt = NO_PROMPT
    after: "dict[Part | Run, _Node] | None" = None
    """What came next in some prompt: a part, or a whole run and where it ended."""
    whole: Prompt | None = None
    """The prompt up to here, where a run ends here."""

    def then(self, step: Part | Run) -> "_Node | None":
        """What it came to, if this came next before."""
        return None if self.after is None else self.after.get(step)

    def put(self, step: Part | Run, node: "_Node") -> None:
        """Remember it."""
        if self.after is None:
            self.after = {step: node}
        else:
            self.after[step] = node


class PromptReader:
    """Cuts prompts and chains their hashes.

    Args:
        hash_key: key of the hashes (RFC 7693 keyed mode); without it anyone who guesses a
            prompt can confirm the guess.
    """

    def __init__(self, hash_key: bytes | None = None) -> None:
        self._key = key_of(hash_key)
        self._root = _Node(b"", whole=NO_PROMPT)
        self._remembered = 0

    def read(self, parts: Sequence[Part], *, chained: bool = True) -> Prompt:
        """Chain the blocks of all parts in prefix order: tools, system, messages.

        With ``chained`` off the hashes are of the blocks alone, to be chained later.

        Raises:
            RowError: ``calls-bad-content``.
        """
        if not parts:
            return NO_PROMPT
        if chained and type(parts) is Runs:  # an abstract base makes isinstance slow
            return self.read_runs(parts.runs)
        _refuse_many(len(parts))
        if not chained:
            blocks = [block for cutter, raw in parts for block in cutter(raw)]
            return prompt_of([block[0] for block in blocks], blocks)
        self._forget()
        return joined([node.own for node in self._path(self._root, parts)])

    def read_runs(self, runs: Iterable[Run]) -> Prompt:
        """The same of parts that come in runs.

        Raises:
            RowError: ``calls-bad-content``.
        """
        self._forget()
        node, count = self._root, 0
        for run in runs:
            size = run.size
            if size:
                count += size
                node = node.then(run) or self._follow(node, run, count)
        return node.whole or NO_PROMPT

    def _forget(self) -> None:
        if self._remembered > _MEMORY_BYTES:
            self._root, self._remembered = _Node(b"", whole=NO_PROMPT), 0

    def _follow(self, begin: _Node, run: Run, count: int) -> _Node:
        """Where a run ends that was not read from here before, though what it continues may be."""
        _refuse_many(count)
        known, reached = run.before, None
        while known is not None and (reached := begin.then(known)) is None:
            known = known.before
        if reached is None:
            end = self._through(begin, list(run))
        else:
            end = self._continued(reached, run.since(known))
        begin.put(run, end)
        return end

    def _through(self, begin: _Node, parts: list[Part]) -> _Node:
        """Part by part: what is equal to another prompt's beginning is not cut again."""
        path = self._path(begin, parts)
        end = path[-1]
        if end.whole is None:
            end.whole = joined([begin.whole or NO_PROMPT, *[node.own for node in path]])
            self._remembered += _NODE_BYTES + _BLOCK_BYTES * len(end.whole)
        return end

    def _continued(self, begin: _Node, runs: list[Run]) -> _Node:
        """All at once: what continues a prompt that came before is new."""
        blocks = [block for run in runs for block in run.cut()]
        whole = prompt_of(links(begin.last, blocks, self._key), blocks, begin.whole or NO_PROMPT)
        self._remembered += _NODE_BYTES + _BLOCK_BYTES * len(whole)
        return _Node(whole.hashes[-HASH_BYTES:], whole=whole)

    def _path(self, node: _Node, parts: Iterable[Part]) -> list[_Node]:
        path = list[_Node]()
        for part in parts:
            node = node.then(part) or self._grow(node, part)
            path.append(node)
        return path

    def _grow(self, parent: _Node, part: Part) -> _Node:
        cutter, raw = part
        blocks = cutter(raw)
        own = prompt_of(links(parent.last, blocks, self._key), blocks)
        last = own.hashes[-HASH_BYTES:] or parent.last
        node = _Node(last, own)
        parent.put(part, node)
        self._remembered += len(raw) + _NODE_BYTES + _BLOCK_BYTES * len(blocks)
        return node


def _refuse_many(parts: int) -> None:
    if parts > MOST_PARTS:
        raise RowError("calls-bad-content", f"a prompt of more than {MOST_PARTS:,} messages", "")
