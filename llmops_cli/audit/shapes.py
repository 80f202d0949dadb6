"""The distinct sets of attributes of a log: what is found out about one holds for all its rows."""

from collections.abc import Iterable
from functools import cached_property, lru_cache

import numpy as np

from llmops_cli.audit.names import Rename, attributes, known_as, parsed, renames
from llmops_cli.audit.subjects import Coded, Mask

__all__ = ["Shapes"]

_NAMESPACE = "gen_ai."


class Shapes:
    """Questions about attributes, answered once per distinct set.

    Args:
        column: the ``attributes`` column.
        upto: version of the conventions whose renames count.
    """

    def __init__(self, column: Coded, upto: str) -> None:
        self._column = column
        self._upto = upto
        self._sets = [parsed(word) for word in column.words]

    def carrying(self, name: str, *, under_any_name: bool = False) -> Mask:
        """Rows with an attribute; also under its old names and those of other dialects."""
        others = known_as(name) if under_any_name else ()
        heir = attributes().heirs.get(name, name) if under_any_name else name
        return self._rows(
            name in names or heir in names or any(item.used_in(names) for item in others)
            for names in self._sets
        )

    def naming(self, rename: Rename) -> Mask:
        """Rows that use an old name."""
        if rename not in self._seen:
            return np.zeros(len(self._column.codes), bool)
        return self._rows(rename in used for used in self._renames)

    @cached_property
    def _seen(self) -> set[Rename]:
        return set[Rename]().union(*self._renames)

    @cached_property
    def _renames(self) -> list[set[Rename]]:
        live = [item for item in renames(self._upto) if item.of != "event"]
        exact = {item.old: item for item in live if not item.old.endswith("*")}
        open_ended = [item for item in live if item.old.endswith("*")]
        found = list[set[Rename]]()
        for names in self._sets:
            used = {exact[name] for name in names if name in exact}
            used = {item for item in used if not item.beside or item.beside in names}
            used |= {item for item in open_ended if item.used_in(names)}
            found.append(used)
        return found

    def mistyped(self) -> dict[str, Mask]:
        """Rows whose attribute has another type than the registry's, by ``name is type``."""
        accepts = attributes().accepts
        return self._by_name(
            [[f"{n} is {t}" for n, t in names.items() if not accepts(n, t)] for names in self._sets]
        )

    def unknown(self) -> dict[str, Mask]:
        """Rows with a gen_ai name that neither the registry nor any dialect has, by name."""
        facts = attributes()

        def strange(name: str) -> bool:
            known = name in facts.types or name in facts.tolerated
            return name.startswith(_NAMESPACE) and not known and not _renamed(name)

        return self._by_name([list(filter(strange, names)) for names in self._sets])

    def bare(self) -> dict[str, Mask]:
        """Rows with a name that has no namespace, by name."""
        return self._by_name([[name for name in names if "." not in name] for names in self._sets])

    def newest(self) -> list[str]:
        """Per distinct set the version that brought its newest name; codes are the column's."""
        brought = attributes().introduced
        return [
            max((brought[n] for n in names if n in brought), default="") for names in self._sets
        ]

    def _by_name(self, found: list[list[str]]) -> dict[str, Mask]:
        every = sorted({name for names in found for name in names})
        return {name: self._rows(name in names for names in found) for name in every}

    def _rows(self, per_set: Iterable[bool]) -> Mask:
        return np.array([*per_set, False], bool)[self._column.codes]


@lru_cache(maxsize=4096)
def _renamed(name: str) -> bool:
    return any(item.named(name) for item in renames())
