"""What a router may know before any model answers: the task, the length, the words.

Scaling, vocabulary and the words' main directions are learned from the rows to fit on and only
applied to the others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes

__all__ = ["Features", "learn_features"]

Floats = npt.NDArray[np.float64]
Features = Callable[[Codes], Floats]
"""From rows (indices into the outcome table) to their ``(r, f)`` features."""

_WORDS = 5_000
_DIRECTIONS = 32


def learn_features(outcomes: Outcomes, fit: Codes, seed: int = 0) -> Features:
    """Features of any row, learned from some.

    Args:
        outcomes: the table.
        fit: rows to learn from.
        seed: of the projection of the words.

    Returns:
        Task as zeros and ones and, where there is text, log of its length and its TF-IDF vector
        in its main directions; each column of about unit spread.
    """
    parts: list[Features] = [lambda rows: np.eye(len(outcomes.tasks))[outcomes.task[rows]]]
    if outcomes.text is not None:
        lengths = np.log1p([len(text) for text in outcomes.text])
        spread = float(lengths[fit].std()) or 1.0
        middle = float(lengths[fit].mean())
        parts.append(lambda rows: ((lengths[rows] - middle) / spread)[:, None])
        words = _words(outcomes.text, fit, seed)
        parts += [words] if words else []
    return lambda rows: np.hstack([part(rows) for part in parts])


def _words(text: tuple[str, ...], fit: Codes, seed: int) -> Features | None:
    """TF-IDF in its main directions; None where no word occurs twice."""
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415 - slow to load
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - slow to load

    def of(rows: Codes) -> list[str]:
        return [text[at] for at in rows.tolist()]

    vectors = TfidfVectorizer(max_features=_WORDS, min_df=2, sublinear_tf=True)
    try:
        counted: Any = vectors.fit_transform(of(fit))
    except ValueError:  # an empty vocabulary
        return None
    directions = min(_DIRECTIONS, counted.shape[1] - 1, len(fit) - 1)
    if directions < 1:
        return None
    projection = TruncatedSVD(directions, n_iter=3, random_state=seed)
    # Texts that are all alike explain nothing of nothing.
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.asarray(projection.fit_transform(counted)).std(axis=0)
    spread[spread == 0] = 1.0
    return lambda rows: np.asarray(projection.transform(vectors.transform(of(rows)))) / spread
