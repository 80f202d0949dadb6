"""What the joins take from rows: context as codes, and rows that are no calls themselves."""

# pyright: reportAttributeAccessIssue=false

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.traffic.keys import CONTEXT_COLUMNS
from llmops_cli.traffic.table import Role, staged_schema

__all__ = ["Apart", "Texts", "one_array"]

Rows = npt.NDArray[np.int64]

_ROLES = (Role.CONTENT, Role.REQUEST, Role.EVALUATION)
_COLUMNS = (
    "request_model",
    "user_id",
    "operation_name",
    "automatic_cache",
    "evaluation_name",
    "evaluation_score",
    "block_hashes",
    "block_tokens",
    "block_kinds",
    "block_markers",
    "content",
)


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


class Apart:
    """Rows that are no calls but give something to one; they are few, and stay in memory."""

    def __init__(self) -> None:
        self._seen = 0
        self._rows: list[Rows] = []
        self._tables: list[pa.Table] = []

    def see(self, table: pa.Table) -> None:
        """Keep what is of use of the next table."""
        rows = np.flatnonzero(np.isin(table["role"].to_numpy(), _ROLES))
        if len(rows):
            self._rows.append(self._seen + rows)
            self._tables.append(table.select(_COLUMNS).take(pa.array(rows)))
        self._seen += table.num_rows

    def finish(self) -> None:
        """Put everything together; nothing more is seen after this."""
        empty = staged_schema().empty_table().select(_COLUMNS)
        self._tables = [pa.concat_tables([empty, *self._tables]).combine_chunks()]
        self._rows = [np.concatenate([np.empty(0, np.int64), *self._rows])]

    def take(self, rows: Rows, name: str) -> pa.Array:
        """A column of some rows, by their numbers among all."""
        at = np.searchsorted(self._rows[0], rows)
        return one_array(self._tables[0][name].take(pa.array(at, pa.int64())))


class Texts:
    """The context columns of all rows as codes: most rows have none, and few differ."""

    def __init__(self) -> None:
        self._codes: dict[str, list[npt.NDArray[np.int32]]] = {n: [] for n in CONTEXT_COLUMNS}
        self._words: dict[str, dict[str, int]] = {name: {} for name in CONTEXT_COLUMNS}
        self._arrays: dict[str, pa.Array] = {}

    def see(self, table: pa.Table) -> None:
        """Code the next table."""
        for name in CONTEXT_COLUMNS:
            column = table[name]
            if column.null_count == len(column):
                self._codes[name].append(np.full(len(column), -1, np.int32))
                continue
            coded = one_array(column).dictionary_encode()
            words = self._words[name]
            known = [words.setdefault(word, len(words)) for word in coded.dictionary.to_pylist()]
            local = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
            # The last place of the lookup is where an index of -1 ends up: no word.
            self._codes[name].append(np.array([*known, -1], np.int32)[local])

    def codes(self, name: str) -> npt.NDArray[np.int32]:
        """One code per row, -1 for none."""
        return np.concatenate(self._codes[name])

    def column(self, name: str, codes: npt.NDArray[np.int32]) -> pa.Array:
        """The words again."""
        if name not in self._arrays:
            self._arrays[name] = pa.array(list(self._words[name]), pa.string())
        return self._arrays[name].take(pa.array(codes, mask=codes < 0))
