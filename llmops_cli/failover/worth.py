"""What an answer is worth and what it costs, by deployment: prices, cold caches, quality.

The log's prompt cache is at the deployment that a request prefers. Anywhere else a conversation
begins cold: what was read from the cache, or written to it, is paid as fresh input.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.requests import Requests

__all__ = ["LIFETIME_S", "Worth", "cold", "in_the_cold"]

LIFETIME_S = 300.0
"""How long a deployment keeps a conversation's prompt after its last request there."""

_INPUT, _OUTPUT = 0, 4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """Of every request at every deployment of the pool.

    Attributes:
        warm_usd: ``(n, d)`` with the cache as logged; None where there are no prices.
        cold_usd: ``(n, d)`` with all input fresh.
        quality: ``(n, d)``; None where none is given.
    """

    warm_usd: Floats | None
    cold_usd: Floats | None
    quality: Floats | None


def in_the_cold(tokens: Ints) -> Ints:
    """Token classes of a request that finds nothing in the cache.

    Args:
        tokens: ``(n, 5)`` by class of the price book.
    """
    found = np.zeros_like(tokens)
    found[:, _INPUT] = tokens[:, :_OUTPUT].sum(axis=1)
    found[:, _OUTPUT] = tokens[:, _OUTPUT]
    return found


def cold(requests: Requests, row: Ints, place: Ints, preferred: Ints, ended_s: Floats) -> Ints:
    """Which answers a prompt cache did not help.

    Args:
        requests: the log.
        row: ``(m,)`` which request of the log each one is.
        place: ``(m,)`` who answered.
        preferred: ``(m,)`` whose cache the log shows.
        ended_s: ``(m,)`` when.

    Returns:
        ``(m,)`` bool: away from its preferred deployment, and not there in the last five minutes.
    """
    away = place != preferred
    order = np.lexsort((ended_s, requests.conversation[row], place))
    same = (np.diff(place[order]) == 0) & (np.diff(requests.conversation[row][order]) == 0)
    soon = np.diff(ended_s[order]) <= LIFETIME_S
    warmed = np.zeros(len(row), dtype=bool)
    warmed[order[1:]] = same & soon
    return away & ~warmed
