"""What the joins take from rows: context as codes, and rows that are no calls themselves."""

# pyright: reportAttributeAccessIssue=false

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.traffic.keys import CONTEXT_COLUMNS

__all__ = ["APART_COLUMNS", "Apart", "Texts", "one_array"]

Rows = npt.NDArray[np.int64]

APART_COLUMNS = (
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
"""What calls take from rows that were logged apart from them."""


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    if column.num_chunks == 1:
        return column.chunk(0)  # combining would copy it
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


class Apart:
    """Rows that are no calls but give something to one.

    Args:
        rows: their numbers among all rows of their home, ascending.
        table: what they have to give.
    """

    def __init__(self, rows: Rows, table: pa.Table) -> None:
        self._rows, self._table = rows, table.combine_chunks()

    def take(self, rows: Rows, name: str) -> pa.Array:
        """A column of some rows, by their numbers among all of their home."""
        at = np.searchsorted(self._rows, rows)
        return one_array(self._table[name].take(pa.array(at, pa.int64())))


class Texts:
    """The context columns of rows as codes: most rows have none, and few differ."""

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
