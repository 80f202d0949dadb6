"""True hits and false ones: the answer a call got in the log against the one it would be served.

The log's own answer is the truth. Answers with the same words are the same; answers that
contradict each other in a slot (a number, a name, yes against no) are not; of the rest, those
with mostly the same wording say the same, and whatever else differs counts as false. Answers
that say the same in other words are counted as false as well: the rule errs to the safe side.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.semantic_guard import Lexicon, conflict, normal_form, slots
from llmops_cli.cache.semantic_similarity import cosines, text_vectors

__all__ = ["Label", "label_pairs"]

Ints = npt.NDArray[np.signedinteger]

_LONGEST = 4000
_PAIRS_AT_ONCE = 20_000


class Label(IntEnum):
    """What a served answer is to the call's own."""

    UNKNOWN = 0
    """One of them is not in the log."""
    EQUAL = 1
    SIMILAR = 2
    CONFLICT = 3
    DIFFERENT = 4

    @property
    def is_false(self) -> bool:
        """Whether it counts as a false hit."""
        return self in {Label.CONFLICT, Label.DIFFERENT}


def label_pairs(
    answers: Sequence[str], pairs: Ints, lexicon: Lexicon, similarity: float
) -> npt.NDArray[np.int8]:
    """Label pairs of answers.

    Args:
        answers: the logged answer of each call; empty where there is none.
        pairs: ``(n, 2)`` call and the call whose answer it is served.
        lexicon: what the log says about its words.
        similarity: cosine of character n-grams from which on wordings are mostly the same.

    Returns:
        ``(n,)`` values of :class:`Label`.
    """
    calls: list[int] = np.unique(pairs).tolist()
    forms = {text: normal_form(text) for text in {answers[call] for call in calls}}
    normal = {call: forms[answers[call]] for call in calls}
    cut = cache(lambda text: slots(text, lexicon))
    labels = np.full(len(pairs), Label.UNKNOWN, np.int8)
    doubtful = list[int]()
    for number, (call, entry) in enumerate(pairs.tolist()):
        if not (answers[call] and answers[entry]):
            continue
        if normal[call] == normal[entry]:
            labels[number] = Label.EQUAL
        elif conflict(cut(normal[call]), cut(normal[entry])):
            labels[number] = Label.CONFLICT
        else:
            doubtful.append(number)
    chosen = np.array(doubtful, dtype=np.int64)
    alike = _cosines(normal, pairs[chosen]) >= similarity
    labels[chosen] = np.where(alike, Label.SIMILAR, Label.DIFFERENT)
    return labels


def _cosines(normal: dict[int, str], pairs: Ints) -> npt.NDArray[np.float64]:
    if not len(pairs):
        return np.empty(0)
    calls, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(-1, 2)
    vectors = text_vectors([normal[call][:_LONGEST] for call in calls.tolist()], "tf")
    parts = [place[at : at + _PAIRS_AT_ONCE] for at in range(0, len(place), _PAIRS_AT_ONCE)]
    return np.concatenate([cosines(vectors[part[:, 0]], vectors[part[:, 1]]) for part in parts])
