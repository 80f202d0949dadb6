"""What was observed of a stage so far: sums per window of time, which late data may complete.

A window is what came in between two moments. Windows merge in any order and any number of
times: of two accounts of one window the fuller one counts. So late data, data out of order and
data seen twice all lead to the same stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from llmops_cli.rollout.evidence import Arms, Sample

__all__ = ["CANARY", "CONTROL", "USERS", "WINDOW_S", "Cell", "Observed", "Sums"]

CANARY, CONTROL = "canary", "control"

USERS = "users"
"""The metric that counts users first seen in a window, for the check of the split."""

WINDOW_S = 3600.0
"""Length of a window that is cut from a log."""

Cell = tuple[str, str, str]
"""Window, variant and metric."""


@dataclass(frozen=True, slots=True, order=True)
class Sums:
    """Of one cell: requests that carry the metric, their badness, and its squares."""

    n: float
    total: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """All windows of one stage.

    Attributes:
        cells: sums by window, variant and metric; windows sort as text, as moments in UTC do.
        open: the window that a log ended in, which may not be over; empty where all are.
        as_of: moment before which nothing is missing; empty where the data alone say.
    """

    cells: Mapping[Cell, Sums] = field(default_factory=dict[Cell, Sums])
    open: str = ""
    as_of: str = ""

    def __add__(self, other: "Observed") -> "Observed":
        """Both accounts: the fuller one of each cell."""
        cells = dict(self.cells)
        for cell, sums in other.cells.items():
            cells[cell] = max(cells[cell], sums) if cell in cells else sums
        ends = max(self.open, other.open), max(self.as_of, other.as_of)
        return Observed(dict(sorted(cells.items())), *ends)

    def between(self, since: str, until: str) -> "Observed":
        """Only the windows that begin from one moment on and before another; empty for no end."""
        kept = (c for c in self.cells if c[0] >= since and (not until or c[0] < until))
        return replace(self, cells={cell: self.cells[cell] for cell in kept})

    @property
    def windows(self) -> tuple[str, ...]:
        """In the order of time."""
        return tuple(sorted({window for window, _, _ in self.cells}))

    def sample(self, variant: str, metric: str) -> Sample:
        """``(1, T)`` totals up to each window."""
        none = Sums(0.0)
        rows = [self.cells.get((window, variant, metric), none) for window in self.windows]
        every = [[(row.n, row.total, row.squares) for row in rows]]
        wide = np.array(every, dtype=np.float64).reshape(1, -1, 3)
        return Sample(wide[..., 0], wide[..., 1], wide[..., 2]).running()

    def arms(self, metric: str) -> Arms:
        """Both versions side by side."""
        return Arms(self.sample(CANARY, metric), self.sample(CONTROL, metric))
