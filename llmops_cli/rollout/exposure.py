"""Who sees the new version: users by the share that a sticky assignment gives it."""

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.schedule import Schedule, StageLooks

__all__ = ["newcomers", "users_exposed"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def users_exposed(schedule: Schedule, units: Ints, look: Ints) -> Floats:
    """``(T,)`` users who have met the new version by each look, as expected.

    A user keeps a place between 0 and 1; those below the share of the stage are on the new
    version and stay there as it grows. Whoever joins at a stage meets it at their next request.

    Args:
        schedule: stages on the clock of the log.
        units: ``(N,)`` user of each call of the log.
        look: ``(N,)`` look that it falls before.
    """
    looks, exposed, before = len(schedule.arrivals), np.zeros(schedule.looks), 0.0
    for stage in schedule.exposing:
        seen = np.cumsum(_first_seen(stage.first, units, look, looks))
        since = np.minimum(np.arange(schedule.looks - stage.first), looks - 1)
        exposed[stage.first :] += (stage.share - before) * seen[since]
        before = stage.share
    return exposed


def newcomers(stage: StageLooks, units: Ints, look: Ints, looks: int) -> Ints:
    """``(T,)`` users first seen at each look of a stage; ``looks`` are in one pass of the log."""
    new = _first_seen(stage.first, units, look, looks)
    return np.pad(new, (0, max(0, stage.looks - looks)))[: stage.looks]


def _first_seen(start: int, units: Ints, look: Ints, looks: int) -> Ints:
    """``(H,)`` users of the log by how many looks after a start they are first seen."""
    wait = np.full(int(units.max()) + 1, looks)
    np.minimum.at(wait, units, (look - start) % looks)
    return np.bincount(wait, minlength=looks)[:looks].astype(np.int64)
