"""Does the split do what it says? Users on the new version against the share of the stage.

Where the ratio is off, assignment or logging is broken and no other number can be believed.
"""

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.exposure import newcomers
from llmops_cli.rollout.schedule import Schedule
from llmops_cli.stats.mixture import mixture_critical, mixture_precision

__all__ = ["RATIO_ALPHA", "ratio_alarms", "ratio_evidence"]

RATIO_ALPHA = 0.001
"""Risk of a false alarm over the whole rollout: what is usual for one look."""

_LEAST_EXPECTED = 10.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def ratio_evidence(
    treated: Floats, control: Floats, share: float, planned: float, alpha: float
) -> Floats:
    """Distance of the split from its share, as a part of what raises an alarm.

    Args:
        treated: ``(..., T)`` users (or requests, where they are what is assigned) seen on the
            new version since the stage began.
        control: ``(..., T)`` the same on the old one.
        share: of the stage, strictly between 0 and 1.
        planned: of both together at the end of the stage.
        alpha: two-sided risk over all looks of the stage.

    Returns:
        ``(..., T)`` 1 or more raises an alarm; 0 while fewer than ten are expected in an arm.
    """
    n = treated + control
    sizes = np.maximum(n, 1)
    precision = mixture_precision(max(planned, 1.0), alpha)
    limits = mixture_critical(sizes, alpha=alpha, precision=precision)
    z = (treated - share * n) / np.sqrt(sizes * share * (1 - share))
    enough = n * min(share, 1 - share) >= _LEAST_EXPECTED
    return np.where(enough, np.abs(z) / limits, 0.0)


def ratio_alarms(schedule: Schedule, units: Ints, look: Ints, runs: int, seed: int) -> int:
    """Of so many rollouts with a sound assignment, how many raise an alarm at any look.

    Users are assigned when a stage first sees them, each on its own, as a hash does.
    """
    draw = np.random.default_rng(seed)
    staged = [stage for stage in schedule.exposing if stage.share < 1]
    alarmed = np.zeros(runs, dtype=bool)
    for stage in staged:
        new = newcomers(stage, units, look, len(schedule.arrivals))
        treated = np.cumsum(draw.binomial(new, stage.share, (runs, len(new))), axis=1)
        control = np.cumsum(new)[None, :] - treated
        alpha = RATIO_ALPHA / len(staged)
        found = ratio_evidence(
            treated.astype(np.float64), control.astype(np.float64), stage.share, new.sum(), alpha
        )
        alarmed |= (found >= 1).any(axis=1)
    return int(alarmed.sum())
