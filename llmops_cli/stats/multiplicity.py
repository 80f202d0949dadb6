"""Many questions of one data set: p-values that stay honest together."""

import numpy as np
import numpy.typing as npt

__all__ = ["benjamini_hochberg", "holm"]

Floats = npt.NDArray[np.float64]


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values; rejecting those at most alpha makes any error with at most alpha.

    Args:
        p_values: ``(m,)`` values in [0, 1], dependent in any way.

    Returns:
        ``(m,)`` adjusted values in the same order, at least the given ones.

    Raises:
        ValueError: values that are not in [0, 1], NaN among them.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    order = _order(p_values)
    steps = np.arange(len(p_values), 0, -1)
    return _back(np.maximum.accumulate(p_values[order] * steps), order)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values; of those at most q, an expected share of at most q is in error.

    Args:
        p_values: ``(m,)`` values in [0, 1], independent or positively dependent.

    Returns:
        ``(m,)`` adjusted values in the same order, at least the given ones.

    Raises:
        ValueError: as :func:`holm`.

    Source:
        Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289-300.
    """
    order = _order(p_values)
    shares = len(p_values) / np.arange(1, len(p_values) + 1)
    adjusted = np.minimum.accumulate((p_values[order] * shares)[::-1])[::-1]
    return _back(adjusted, order)


def _order(p_values: Floats) -> npt.NDArray[np.intp]:
    if p_values.ndim != 1 or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError("p-values are a list of numbers between 0 and 1")
    return np.argsort(p_values, kind="stable")


def _back(sorted_values: Floats, order: npt.NDArray[np.intp]) -> Floats:
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(sorted_values, 1.0)
    return adjusted
