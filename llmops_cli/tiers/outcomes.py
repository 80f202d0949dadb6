"""The outcome table: per request what each model's answer was worth, cost and took.

What the readers fill and every question of this room reads; no arithmetic beyond looking.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Outcomes"]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """``n`` requests answered by some or all of ``m`` models.

    Attributes:
        models: ``(m,)`` names, each once.
        quality: ``(n, m)`` quality in [0, 1], from gold or a corrected judge; NaN where that
            model was not observed on that request.
        cost_usd: ``(n, m)`` US dollars of the request; NaN where unknown.
        latency_s: ``(n, m)`` seconds to the whole answer; None where nobody logged it.
        task: ``(n,)`` index into ``tasks``.
        tasks: names of the task classes.
        cluster: ``(n,)`` index of the conversation, template or user; requests of one cluster
            are resampled together.
        chosen: ``(n,)`` index of the model that was used; -1 where all were run side by side.
            None where no model was chosen at all.
        propensity: ``(n,)`` probability with which ``chosen`` was chosen, in (0, 1]; None where
            it was not logged.
        text: ``(n,)`` the prompt, for routers that learn from it; None where there is none.
            Never part of a report.
        scores: names and ``(n,)`` or ``(n, m)`` values of scores that a router or judge logged
            before or after a model answered.
    """

    models: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None
    task: Codes
    tasks: tuple[str, ...]
    cluster: Codes
    chosen: Codes | None = None
    propensity: Floats | None = None
    text: tuple[str, ...] | None = None
    scores: tuple[tuple[str, Floats], ...] = ()

    def __len__(self) -> int:
        """Requests."""
        return len(self.quality)

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """``(n,)`` whether every model was observed, with its quality and its cost."""
        known = ~(np.isnan(self.quality) | np.isnan(self.cost_usd))
        return np.all(known, axis=1)
