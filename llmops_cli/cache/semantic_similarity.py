"""Which prompts are near each other: vectors, and all pairs above a cosine, exactly.

The pairs are found group by group with blocked matrix products, so memory is bounded by a
block and the pairs found, and the result does not depend on luck, order or threads. TF-IDF
products leave out the commonest n-grams of each text first, as far as their weight could not
lift a pair over the bound, and only what comes near it is added up in full (prefix filtering:
Bayardo, Ma and Srikant, Scaling up all pairs similarity search, WWW 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["LONGEST", "Near", "cosines", "near", "text_vectors"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]

LONGEST = 2000
"""Characters; in a longer text the question is too small a part for any cosine to notice."""

_CELLS = 2_000_000
_MOST_PAIRS = 5_000_000
_LEFT_OUT = 0.2
_PAIRS_AT_ONCE = 20_000
_DIGITS = 6
_DIMENSIONS = 256


def text_vectors(texts: Sequence[str], kind: str) -> Any:  # noqa: ANN401 - scipy's or numpy's
    """Rows of length 1, a sparse or a dense matrix; a text without n-grams has a row of zeros.

    Args:
        texts: at least one.
        kind: ``tfidf`` (character 3- to 5-grams, weighted by how rare they are in these texts),
            ``tf`` (not weighted: the same for a text whatever stands beside it), ``wordllama``.

    Raises:
        LlmopsError: ``semantic-no-wordllama``.
    """
    if kind == "wordllama":
        return _wordllama(texts)
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - slow to load

    kind_of: Any = TfidfVectorizer
    vectors = kind_of(
        analyzer="char",
        ngram_range=(3, 5),
        lowercase=False,
        use_idf=kind == "tfidf",
        dtype=np.float32,
    )
    return vectors.fit_transform([f" {text} " for text in texts])


def _wordllama(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    try:
        import wordllama  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise LlmopsError(
            "semantic-no-wordllama",
            "the package wordllama is not installed",
            hint="pip install 'llmops-cli[wordllama]', or --vectors tfidf",
            exit_code=ExitCode.USAGE,
        ) from None
    from pathlib import Path  # noqa: PLC0415 - with the package it locates

    # Its weights and tokenizer are in the package, but it looks for them as in a cache.
    folder = Path(str(wordllama.__file__)).parent
    model = wordllama.WordLlama.load(cache_dir=folder, dim=_DIMENSIONS, disable_download=True)
    made = np.asarray(model.embed(list(texts)), dtype=np.float32)
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """The neighbours of text ``i`` are ``other[offsets[i]:offsets[i + 1]]``, the nearest first.

    Attributes:
        offsets: ``(n + 1,)`` first neighbour of each text.
        other: the neighbours; of equally near ones the earlier text first.
        similarity: cosines, to six digits.
        least: all pairs of this cosine and above are here; more than asked for where there
            would be too many.
    """

    offsets: Ints
    other: Ints
    similarity: Floats
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    one: Ints
    other: Ints
    similarity: Floats

    def above(self, least: float) -> "_Pairs":
        keep = self.similarity >= least
        return _Pairs(self.one[keep], self.other[keep], self.similarity[keep])


def near(
    vectors: Any,  # noqa: ANN401 - scipy's or numpy's
    group: Ints,
    thresholds: Sequence[float],
    *,
    most: int = _MOST_PAIRS,
) -> Near:
    """All pairs of texts of one group with at least the smallest cosine of ``thresholds``.

    Time is that of the products inside groups, at most quadratic in the largest; memory that
    of one block and ``most`` pairs.

    Args:
        vectors: as :func:`text_vectors` makes them.
        group: code per text.
        thresholds: falling. Where too many pairs reach the last, it is given up, and the next
            after it; infinity is left when there are too many even of the nearest.
        most: how many pairs are too many.
    """
    order = np.argsort(group, kind="stable")
    product = _Product(vectors[order], np.asarray(group)[order])
    steps = [float("inf"), *thresholds]
    found, total = list[_Pairs](), 0
    for begin, end in product.blocks():
        pairs = product.pairs(begin, end, steps[-1])
        found.append(pairs)
        total += len(pairs.one)
        while total > most:
            steps.pop()
            found = [part.above(steps[-1]) for part in found]
            total = sum(len(part.one) for part in found)
        if len(steps) == 1:
            break
    return _adjacent(found, order, steps[-1])


class _Product:
    def __init__(self, vectors: Any, group: Ints) -> None:  # noqa: ANN401 - as near
        self._sparse = not isinstance(vectors, np.ndarray)
        self._vectors = vectors
        self._rare = _rare(vectors) if self._sparse else vectors
        self._group = group
        self._first = np.searchsorted(group, group)

    def blocks(self) -> Any:  # noqa: ANN401 - an iterator of pairs of integers
        begin, n = 0, len(self._group)
        while begin < n:
            # As many rows as keep the block, up to the beginning of their group, in bounds.
            width = begin - int(self._first[begin])
            rows = max(16, int((width**2 / 4 + _CELLS) ** 0.5 - width / 2))
            end = min(n, begin + rows)
            yield begin, end
            begin = end

    def pairs(self, begin: int, end: int, least: float) -> _Pairs:
        """Pairs of these rows with earlier ones of their group."""
        start = int(self._first[begin])
        left = self._rare[begin:end]
        if self._sparse:
            product = (left @ self._vectors[start:end].T).tocoo()
            likely = product.data >= least - _LEFT_OUT**0.5 - 1e-4
            one, other = product.row[likely], product.col[likely]
        else:
            one, other = np.nonzero(left @ self._vectors[start:end].T >= least - 1e-4)
        one, other = one.astype(np.int64) + begin, other.astype(np.int64) + start
        keep = (other < one) & (self._group[one] == self._group[other])
        one, other = one[keep], other[keep]
        similarity = np.concatenate(
            [np.empty(0)]
            + [
                self._exact(one[at : at + _PAIRS_AT_ONCE], other[at : at + _PAIRS_AT_ONCE])
                for at in range(0, len(one), _PAIRS_AT_ONCE)
            ]
        )
        return _Pairs(one, other, similarity).above(least)

    def _exact(self, one: Ints, other: Ints) -> Floats:
        return np.round(cosines(self._vectors[one], self._vectors[other]), _DIGITS)


def cosines(left: Any, right: Any) -> Floats:  # noqa: ANN401 - as text_vectors makes them
    """The cosine of each row of one matrix with the same row of the other."""
    if isinstance(left, np.ndarray):
        dots: Any = np.einsum("ij,ij->i", left.astype(np.float64), right.astype(np.float64))
    else:
        dots = np.asarray(left.astype(np.float64).multiply(right).sum(axis=1)).ravel()
    return np.minimum(dots, 1.0)


def _rare(vectors: Any) -> Any:  # noqa: ANN401 - scipy's
    """The rows without their commonest n-grams, up to a fifth of the squared length."""
    spread = np.bincount(vectors.indices, minlength=vectors.shape[1])[vectors.indices]
    row = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    order = np.lexsort((-spread, row))
    total = np.cumsum(vectors.data[order].astype(np.float64) ** 2)
    before = np.concatenate([np.zeros(1), total])[vectors.indptr[:-1]]
    common = np.zeros(len(order), np.bool_)
    common[order] = total - np.repeat(before, np.diff(vectors.indptr)) < _LEFT_OUT
    rare = vectors.copy()
    rare.data = np.where(common, 0, vectors.data)
    rare.eliminate_zeros()
    return rare


def _adjacent(found: Sequence[_Pairs], order: Ints, least: float) -> Near:
    empty = np.empty(0, np.int64)
    one = order[np.concatenate([empty, *(part.one for part in found)])]
    other = order[np.concatenate([empty, *(part.other for part in found)])]
    similarity = np.concatenate([np.empty(0), *(part.similarity for part in found)])
    left, right = np.concatenate([one, other]), np.concatenate([other, one])
    both = np.concatenate([similarity, similarity])
    by = np.lexsort((right, -both, left))
    counts = np.bincount(left, minlength=len(order))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int64)
    return Near(offsets, right[by], both[by], least)
