"""Columns of a calls table as flat arrays: nulls replaced, texts as numbers.

What is the same in all rows is one value in memory, seen as an array that cannot be changed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.cache.prefix_numbers import by_first_appearance
from llmops_cli.cache.prompt_blocks import PROMPT
from llmops_cli.calls import CallsTable

__all__ = [
    "coded",
    "filled",
    "marks",
    "microseconds",
    "names_that",
    "numbers",
    "of_each",
    "rows_of",
    "same",
    "texts",
    "told_apart",
]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]


def microseconds(calls: CallsTable, name: str) -> Ints:
    """A timestamp column as integer microseconds; null is the smallest integer."""
    array = pa.array(calls[name], type=pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return array.fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)


def numbers(calls: CallsTable, name: str, missing: float) -> npt.NDArray[np.float64]:
    """A numeric or boolean column with nulls replaced."""
    array = pa.array(calls[name]).cast(pa.float64())
    return array.fill_null(missing).to_numpy(zero_copy_only=False)


def marks(calls: CallsTable, name: str) -> npt.NDArray[np.uint8]:
    """A column of markers, none where it is null."""
    array = pa.array(calls[name]).cast(pa.uint8())
    return array.fill_null(0).to_numpy(zero_copy_only=False)


def texts(calls: CallsTable, name: str) -> npt.NDArray[np.object_]:
    """A text column with nulls as empty strings; the same text is the same object."""
    codes, words = coded(calls, name)
    return of_each(words.to_numpy(zero_copy_only=False).astype(object), codes)


def filled(
    names: npt.NDArray[np.object_], gaps: Mask, others: npt.NDArray[np.object_] | str
) -> npt.NDArray[np.object_]:
    """Texts with others in their gaps; no copy where there are none."""
    return np.where(gaps, others, names) if gaps.any() else names


def told_apart(values: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[Any]]:
    """Values as numbers by first appearance, and the value of each number."""
    if len(values) and values.strides == (0,):
        return same(0, len(values)), values[:1]
    return pd.factorize(values)


def of_each(values: npt.NDArray[Any], codes: Ints) -> npt.NDArray[Any]:
    """``values[codes]``."""
    if len(codes) and codes.strides == (0,):
        return np.broadcast_to(values[int(codes[0])], len(codes))
    return values[codes]


def same(value: int, size: int) -> Ints:
    """One number for all rows."""
    return np.broadcast_to(np.int32(value), size)


def names_that(names: npt.NDArray[np.object_], fit: Callable[[str], bool]) -> Mask:
    """Which names fit; each distinct one is looked at once."""
    code, distinct = told_apart(names)
    return of_each(np.array([fit(str(name)) for name in distinct], np.bool_), code)


def rows_of(calls: CallsTable, rows: Ints) -> CallsTable:
    """Some calls without their prompts, which are most of a table; no copy where it is all."""
    plain = calls.drop(columns=[name for name in PROMPT if name in calls.columns])
    whole = len(rows) == len(calls) and bool((rows == np.arange(len(calls))).all())
    return plain if whole else plain.iloc[rows]


def coded(calls: CallsTable, name: str) -> tuple[Ints, pa.Array]:
    """A text column as numbers by first appearance, null as the empty text, and the texts."""
    array = pa.array(calls[name])
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    if chunks and pa.types.is_dictionary(chunks[0].type):
        return _recoded(pa.chunked_array(chunks).unify_dictionaries().chunks)
    # One by one: only the codes of a whole column are ever in one piece.
    rows = sum(map(len, chunks))
    if rows and all(chunk.null_count == len(chunk) for chunk in chunks):
        return same(0, rows), pa.array([""])
    plain = [chunk.cast(pa.string()).fill_null("") for chunk in chunks]
    found = pa.chunked_array(plain, pa.string()).dictionary_encode().combine_chunks()
    return found.indices.to_numpy(), found.dictionary


def _recoded(chunks: list[pa.DictionaryArray]) -> tuple[Ints, pa.Array]:
    """As :func:`coded`, of codes that all have the same dictionary."""
    words = chunks[0].dictionary.cast(pa.string())
    nulls, rows = sum(each.null_count for each in chunks), sum(map(len, chunks))
    if rows and not nulls and len(words) == 1:
        return same(0, rows), words
    if (empty := words.index("").as_py()) < 0:
        empty, words = len(words), pa.concat_arrays([words, pa.array([""])])
    if rows and nulls == rows:
        return same(0, rows), words.slice(empty, 1)
    codes = [chunk.indices.fill_null(empty).to_numpy() for chunk in chunks]
    code, new = by_first_appearance(joined := np.concatenate(codes))
    return code, words.take(pa.array(joined[new]))
