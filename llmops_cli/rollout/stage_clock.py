"""When the windows of a stage were: how long it has lasted, and which of them may promote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.observed import WINDOW_S, Observed

__all__ = ["StageClock", "seconds_of"]

Floats = npt.NDArray[np.float64]


def seconds_of(moment: str) -> float:
    """A moment as windows are named, in seconds since 1970.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(moment)
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


@dataclass(frozen=True, slots=True, eq=False)
class StageClock:
    """The windows of a stage on the clock of its data.

    Attributes:
        since: ``(T,)`` seconds from the beginning of the first window to that of each.
        now: seconds from there to the last moment that anything is known of.
        open: whether the last window may not be over.
    """

    since: Floats
    now: float
    open: bool

    @classmethod
    def of(cls, seen: Observed) -> "StageClock":
        """Of at least one window."""
        moments = np.array([seconds_of(window) for window in seen.windows])
        known = float(moments[-1])
        if seen.as_of:
            known = max(known, seconds_of(seen.as_of))
        still = seen.windows[-1] == seen.open and known < moments[-1] + WINDOW_S
        return cls(moments - moments[0], known - float(moments[0]), still)

    def reached(self, limit_s: float | None) -> bool:
        """Whether so much time has passed."""
        return limit_s is not None and self.now >= limit_s

    def within(self, limit_s: float | None) -> npt.NDArray[np.bool_]:
        """``(T,)`` windows that began before so much time had passed."""
        return self.since < (np.inf if limit_s is None else max(limit_s, 1e-9))

    def silence(self, active: Sequence[bool] | npt.NDArray[np.bool_], after_s: float) -> int | None:
        """The last window before a silence of that length, and None where there is none.

        Args:
            active: ``(T,)`` windows in which the new version was heard of.
            after_s: how long a silence counts. It ends where the next such window begins.
        """
        heard = np.flatnonzero(np.asarray(active))
        # A window is as long as the shortest time between two.
        window = float(np.diff(self.since).min()) if len(self.since) > 1 else WINDOW_S
        begins = np.append(self.since[heard], self.now)
        before = np.concatenate([[0.0], self.since[heard] + window])
        long = np.flatnonzero(begins - before >= after_s)
        if not len(long):
            return None
        return int(heard[long[0] - 1]) if long[0] else 0
