"""What a log must rename to speak the newest conventions: each old name, its heir, and where."""

from dataclasses import dataclass

import numpy as np

from llmops_cli.audit.checks import event_uses
from llmops_cli.audit.kernel import Group, group_names
from llmops_cli.audit.names import Rename, attributes, renames
from llmops_cli.audit.rules import LATEST
from llmops_cli.audit.shapes import Shapes
from llmops_cli.audit.subjects import Mask, Subjects

__all__ = ["Move", "moves"]


@dataclass(frozen=True, slots=True)
class Move:
    """One name that is in the log and should be another.

    Attributes:
        what: attribute, event or value.
        old: the name as it is logged.
        new: what to write instead; empty for nothing.
        since: version of the conventions that asks for it.
        spans: how many spans have the old name.
        where: service and library that write it most.
    """

    what: str
    old: str
    new: str
    since: str
    spans: int
    where: str


def moves(rows: Subjects, groups: tuple[Group, ...], group: np.ndarray) -> tuple[Move, ...]:
    """Every old name of the log, the most frequent first; the newest conventions decide.

    Args:
        rows: spans and events.
        groups: services and libraries.
        group: the group of each row.
    """
    shapes = Shapes(rows.coded["attributes"], LATEST)
    found = list[Move]()
    for rename in renames():
        is_event = rename.of == "event"
        mask = event_uses(rows, rename) if is_event else shapes.naming(rename)
        found += _move(rename, "event" if is_event else "attribute", mask, groups, group)
    column = rows.coded["provider_name"]
    for word in column.words:
        new = _provider(word)
        if new:
            value = Rename(
                old=word, new=new, since="1.37" if word == "xai" else "1.35", of="gen_ai"
            )
            found += _move(value, "value", column.among(word), groups, group)
    return tuple(sorted(found, key=lambda move: (-move.spans, move.old)))


def _provider(word: str) -> str:
    """The conventions' name of a provider that is logged under another, or in capitals."""
    facts = attributes()
    lower = word.lower()
    known = lower if lower in facts.enums["gen_ai.provider.name"] else ""
    return facts.old_providers.get(lower, "" if known == word else known)


def _move(
    rename: Rename, what: str, mask: Mask, groups: tuple[Group, ...], group: np.ndarray
) -> list[Move]:
    if not mask.any():
        return []
    counts = np.bincount(group[mask], minlength=len(groups))
    most, others = int(counts.argmax()), int((counts > 0).sum()) - 1
    where = group_names(groups[most]) + (f" and {others} more" if others else "")
    return [Move(what, rename.old, rename.new, rename.since, int(mask.sum()), where)]
