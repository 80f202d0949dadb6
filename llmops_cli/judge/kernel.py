"""The counts everything rests on: decisions tallied by verdict, truth and both outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.agreement import Confusion

__all__ = ["MISSING", "Tally", "tally"]

MISSING = 2
"""The code of an absent label; 1 is yes, 0 is no."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts ``(3, 3, 3, 3)``: judge, gold, weak_correct, strong_correct, each 0, 1 or missing."""

    cells: Ints

    @classmethod
    def none(cls) -> "Tally":
        """No decision at all."""
        return cls(np.zeros((3, 3, 3, 3), np.int64))

    def __add__(self, other: "Tally") -> "Tally":
        """Both parts together."""
        return Tally(self.cells + other.cells)

    @property
    def rows(self) -> int:
        """All decisions."""
        return int(self.cells.sum())

    @property
    def labelled(self) -> int:
        """Decisions whose truth is known."""
        return int(self.cells[:, :MISSING].sum())

    @property
    def abstained(self) -> int:
        """Labelled decisions without a verdict; they count as wrong."""
        return int(self.cells[MISSING, :MISSING].sum())

    @property
    def confusion(self) -> Confusion:
        """Verdict against truth, where both are known."""
        pair = self.cells.sum(axis=(2, 3))
        return Confusion(
            tp=int(pair[1, 1]), fp=int(pair[1, 0]), tn=int(pair[0, 0]), fn=int(pair[0, 1])
        )

    @property
    def positives(self) -> int:
        """Labelled decisions where the weak answer will do."""
        return int(self.cells[:, 1].sum())

    @property
    def negatives(self) -> int:
        """Labelled decisions where it will not."""
        return int(self.cells[:, 0].sum())

    def _outcome(self, weak: int, strong: int) -> int:
        return int(self.cells[:, :, weak, strong].sum())

    @property
    def paired(self) -> int:
        """Rows with both models' outcomes."""
        return int(self.cells[:, :, :MISSING, :MISSING].sum())

    @property
    def only_strong(self) -> int:
        """n01: the weak model wrong, the strong one right."""
        return self._outcome(0, 1)

    @property
    def only_weak(self) -> int:
        """n10: the weak model right, the strong one wrong."""
        return self._outcome(1, 0)

    @property
    def routed(self) -> Ints:
        """``(2, 2, 2)`` counts of judge, weak, strong, where all three are known."""
        return self.cells.sum(axis=1)[:MISSING, :MISSING, :MISSING]


def tally(columns: Mapping[str, npt.NDArray[Any]]) -> Tally:
    """Count one part of the decisions; tallies of parts add up to that of the whole.

    Without a gold column the weak model's outcome is the truth of the verdict: the judge
    says whether the weak answer will do, and it does exactly when it is right.
    """
    rows = max(map(len, columns.values()), default=0)
    truth = "gold" if "gold" in columns else "weak_correct"
    code = np.zeros(rows, np.int64)
    for name in ("judge", truth, "weak_correct", "strong_correct"):
        code *= MISSING + 1
        code += columns[name].astype(np.int64) if name in columns else MISSING
    return Tally(np.bincount(code, minlength=81).reshape(3, 3, 3, 3))
