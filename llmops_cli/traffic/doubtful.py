"""Counters that may or may not include what was read from a cache, settled by other rows.

Whoever is proven by one row to count cached tokens beside the input counts so in every row.
"""

# pyright: reportAttributeAccessIssue=false

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.traffic.coded import Codes
from llmops_cli.traffic.keys import codes

__all__ = ["DOUBT_COLUMNS", "Doubts"]

Mask = npt.NDArray[np.bool_]

DOUBT_COLUMNS = ("counted_by", "cached_outside")


class Doubts:
    """Who counts cached tokens outside of the input: see every table, then settle each."""

    def __init__(self) -> None:
        self._seen: list[Codes] = []
        self._proven: Codes | None = None

    def see(self, table: pa.Table) -> None:
        """Take in the next table; of its columns those of ``DOUBT_COLUMNS`` are enough."""
        proof = _said(table, outside=True)
        if proof.any():
            self._seen.append(np.unique(codes(table["counted_by"])[proof]))

    def settled(self, table: pa.Table, keep: Mask, counts: dict[str, int]) -> Mask:
        """Calls whose input counter turns out to leave out the cached tokens beside it.

        Args:
            table: some rows, after all were seen.
            keep: the calls among them.
            counts: receives how many counters were read in which way.
        """
        doubtful, proof = keep & _said(table, outside=False), keep & _said(table, outside=True)
        found = np.zeros(len(keep), bool)
        if doubtful.any() and len(proven := self._all_proven()):
            found = doubtful & np.isin(codes(table["counted_by"]), proven)
        for slug, rows in (
            ("cached-tokens-outside", found | proof),
            ("cached-tokens-inside", doubtful & ~found),
        ):
            if rows.any():
                counts[slug] = counts.get(slug, 0) + int(rows.sum())
        return found

    def _all_proven(self) -> Codes:
        if self._proven is None:
            found = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._seen]))
            self._proven = found[found != 0]
        return self._proven


def _said(table: pa.Table, *, outside: bool) -> Mask:
    column = table["cached_outside"]
    if column.null_count == table.num_rows:
        return np.zeros(table.num_rows, bool)
    return pc.fill_null(pc.equal(column, outside), False).to_numpy().astype(bool)
