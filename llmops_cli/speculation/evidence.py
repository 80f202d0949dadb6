"""Whether the log speaks for what will be served: drift, temperature, enough requests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.speculation.estimate import tokens_per_step
from llmops_cli.speculation.model import Acceptance, SpeculationParameters
from llmops_cli.stats.bootstrap import percentiles
from llmops_cli.stats.intervals import Interval

__all__ = [
    "DRIFT_LEVEL",
    "Drift",
    "at_temperature",
    "drift_of",
    "of_another",
    "requests_needed",
    "temperatures",
]

DRIFT_LEVEL = 0.99
"""Of the interval of the difference between halves: one false alarm in a hundred logs."""

LEAST_REQUESTS = 20
"""With fewer, resampling whole requests says too little about how they vary: simulated, intervals
of 95 % cover 91 to 98 % with 20, and down to 87 % with 10.
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """Tokens per step of the second half of a log less those of the first."""

    difference: float
    interval: Interval

    @property
    def shown(self) -> bool:
        """Whether the halves differ by more than requests do."""
        return self.interval.low > 0 or self.interval.high < 0


def drift_of(seen: Acceptance, given: SpeculationParameters) -> Drift | None:
    """Hold the second half of the log against the first, in its own order.

    Returns:
        None where there are too few requests to say.
    """
    half = len(seen) // 2
    if not seen.sampled or half < LEAST_REQUESTS // 2:
        return None
    first = np.arange(len(seen)) < half
    parts = [
        tokens_per_step(seen.only(rows), resamples=given.resamples, seed=given.seed + number)
        for number, rows in enumerate((first, ~first))
    ]
    drawn = parts[1].drawn[:, -1] - parts[0].drawn[:, -1]
    found = float(parts[1].value[-1] - parts[0].value[-1])
    return Drift(found, percentiles(drawn, DRIFT_LEVEL))


def temperatures(seen: Acceptance) -> tuple[float, ...]:
    """The temperatures of the log, rising; empty where it names none."""
    known = seen.temperature[np.isfinite(seen.temperature)]
    return tuple(np.unique(known).tolist())


def of_another(seen: Acceptance, temperature: float | None) -> bool:
    """Whether the log says how it was sampled, and never as will be served."""
    known = temperatures(seen)
    return (
        bool(known)
        and temperature is not None
        and not np.isclose(known, temperature, atol=1e-6).any()
    )


def at_temperature(seen: Acceptance, temperature: float | None) -> Acceptance:
    """The requests of the temperature that will be served; all where none has it."""
    if temperature is None:
        return seen
    rows: npt.NDArray[np.bool_] = np.isclose(seen.temperature, temperature, atol=1e-6)
    return seen.only(rows) if rows.any() else seen


def requests_needed(
    requests: int, value: float, ends: tuple[float, float], bound: float
) -> int | None:
    """How many requests would decide a gate, were they like those there are.

    Args:
        requests: that there are.
        value: of the speedup.
        ends: of its interval, from requests alone.
        bound: of the gate.

    Returns:
        None where the value is the bound, so that no number decides.
    """
    reach = value - ends[0] if value > bound else ends[1] - value
    gap = abs(value - bound)
    if gap < 1e-6 * max(abs(bound), 1.0):
        return None
    # The interval narrows with the square root of how many there are.
    return max(requests + 1, int(np.ceil(requests * (reach / gap) ** 2)))
