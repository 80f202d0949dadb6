"""What a replay does not count: caches begin empty, and so do queues."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.request_trace import RequestTrace

__all__ = ["MOST", "WarmUp", "warm_up_of"]

MOST = 0.1
"""Of the time of the trace that warming up may take."""

_LEAST_COUNTED = 10


@dataclass(frozen=True, slots=True, eq=False)
class WarmUp:
    """The cut.

    Attributes:
        seconds: arrivals before this are not counted.
        counted: which requests are.
        rule: why it is there.
    """

    seconds: float
    counted: npt.NDArray[np.bool_]
    rule: str


def warm_up_of(trace: RequestTrace, capacity: int, given: float | None) -> WarmUp:
    """Where counting begins, the same for every policy.

    Args:
        trace: the requests.
        capacity: blocks of the largest fleet: once the trace has brought as many distinct ones,
            no cache that is empty can be the reason of a miss.
        given: seconds that the user cuts.

    Raises:
        LlmopsError: ``serving-long-warm-up`` for seconds given that leave too few requests.
    """
    if given is not None:
        return _as_given(trace, given)
    limit = MOST * float(trace.arrival_s[-1])
    filled = _filled(trace, capacity)
    if filled is not None and filled < limit:
        return _cut(trace, filled, "when the trace had brought as many blocks as the caches hold")
    return _cut(trace, limit, f"the first {100 * MOST:.0f} % of the time")


def _as_given(trace: RequestTrace, seconds: float) -> WarmUp:
    counted = trace.arrival_s >= seconds
    left = int(counted.sum())
    if left < min(_LEAST_COUNTED, len(trace)):
        raise LlmopsError(
            "serving-long-warm-up",
            f"a warm-up of {seconds:g} s leaves {left} of {len(trace):,} requests to count, "
            f"fewer than {_LEAST_COUNTED}",
            hint="a shorter --warm-up, or a longer stretch of the trace",
            exit_code=ExitCode.USAGE,
        )
    return WarmUp(seconds, counted, "as given")


def _cut(trace: RequestTrace, seconds: float, rule: str) -> WarmUp:
    counted = trace.arrival_s >= seconds
    if int(counted.sum()) < _LEAST_COUNTED:
        return WarmUp(0.0, np.ones(len(trace), np.bool_), "nothing: too few requests are left")
    return WarmUp(seconds, counted, rule)


def _filled(trace: RequestTrace, capacity: int) -> float | None:
    """When so many distinct blocks had arrived; None where they never did."""
    if not len(trace.blocks):
        return None
    first = np.empty(int(trace.blocks.max()) + 1, np.int64)
    # Backwards, so that what stays is the first visit of each block.
    first[trace.blocks[::-1]] = np.arange(len(trace.blocks))[::-1]
    if len(first) < capacity:
        return None
    visit = int(np.sort(first)[capacity - 1])
    return float(trace.arrival_s[np.searchsorted(trace.starts, visit, side="right") - 1])
