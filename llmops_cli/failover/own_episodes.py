"""The log's own bad hours: stretches in which most calls failed, as incidents.

A stretch is a maximal-scoring run of calls, +1 for a failure and -1 for a success, so at least
half of its calls failed; a few scattered errors make none.
"""

from collections import Counter

import numpy as np

from llmops_cli.failover.failures import HANDLING, FailureKind, kind_of_status
from llmops_cli.failover.incidents import Incident
from llmops_cli.failover.requests import Requests

__all__ = ["LEAST", "own_episodes"]

LEAST = 5
"""Failures that make an episode."""


def own_episodes(requests: Requests, deployment: str) -> tuple[Incident, ...]:
    """Find them.

    Args:
        requests: with what each call met.
        deployment: that the log was served by; it is the one that has the incidents.

    Source:
        Ruzzo, Tompa: A linear time algorithm for finding all maximal scoring subsequences
        (ISMB 1999).
    """
    kinds = [_kind(text) for text in requests.error.tolist()]
    failed = np.array([kind is not None and HANDLING[kind].unhealthy for kind in kinds], dtype=bool)
    found: list[Incident] = []
    for low, high in _stretches(failed):
        share = float(failed[low:high].mean())
        inside = [kind for kind in kinds[low:high] if kind is not None]
        start, end = float(requests.arrival_s[low]), float(requests.arrival_s[high - 1])
        found.append(
            Incident(
                start_s=start,
                # The last failure is still inside.
                duration_s=end - start + 1e-3,
                form="full" if share == 1 else "brownout",
                share=share,
                error=Counter(inside).most_common(1)[0][0],
                deployment=deployment,
            )
        )
    return tuple(found)


def _stretches(failed: np.ndarray) -> list[tuple[int, int]]:
    scores = np.where(failed, 1, -1).tolist()
    runs: list[tuple[int, int, int, int]] = []  # low, high, sum before, sum after
    total = lowest = 0
    for place, score in enumerate(scores):
        before, total = total, total + score
        if score < 0:
            continue
        run = (place, place + 1, before, total)
        while (left := _lower(runs, run[2], lowest)) is not None and runs[left][3] < run[3]:
            run = (runs[left][0], run[1], runs[left][2], run[3])
            del runs[left:]
        runs.append(run)
        lowest = min(lowest, run[2])
    return [(low, high) for low, high, _, _ in runs if failed[low:high].sum() >= LEAST]


def _lower(runs: list[tuple[int, int, int, int]], than: int, lowest: int) -> int | None:
    # Where errors are rare the score only falls, and nothing before was lower.
    if than <= lowest:
        return None
    return next((i for i in range(len(runs) - 1, -1, -1) if runs[i][2] < than), None)


def _kind(text: str) -> FailureKind | None:
    if not text:
        return None
    return kind_of_status(int(text)) if text.isdigit() else kind_of_status(None, text)
