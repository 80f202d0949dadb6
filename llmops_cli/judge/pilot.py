"""What a few labels say about how many more will decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.cases import Cases, cases
from llmops_cli.judge.label_strata import Stratum
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import accuracy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pilot", "pilot"]


@dataclass(frozen=True, slots=True)
class Pilot:
    """What is expected of the judge.

    Attributes:
        accuracy: over all labelled decisions.
        design_effect: of its clusters.
        strata: its tasks, with their shares of all decisions; none with a single task.
    """

    accuracy: float
    design_effect: float
    strata: tuple[Stratum, ...]


def pilot(
    decisions: "pd.DataFrame | Mapping[str, npt.NDArray[Any]]",
    kind: str = "binary",
    names: tuple[str, ...] = (),
) -> Pilot:
    """Read expectations off a labelled log, half a success and half a failure added to each.

    Raises:
        LlmopsError: ``judge-no-labels``.
    """
    parameters = JudgeParameters().of(kind, names)
    given = cases(decisions, parameters)
    if not given.answered.any():
        raise LlmopsError(
            "judge-no-labels",
            "no decision has both a verdict and a truth",
            hint="leave the log out and give --accuracy",
            field="gold",
        )
    found = accuracy(given, parameters)
    return Pilot(_expected(found.correct, found.labelled), found.design_effect, _strata(given))


def _expected(hits: int, n: int) -> float:
    # Without the two halves a few labels without an error would promise that none ever comes.
    return (hits + 0.5) / (n + 1)


def _strata(given: Cases) -> tuple[Stratum, ...]:
    if "task" not in given.columns:
        return ()
    tasks = given.texts("task").astype(str)
    right = np.zeros(len(tasks))
    right[given.labelled] = given.right
    found: list[Stratum] = []
    for name in sorted(set(tasks)):
        rows = tasks == name
        labelled = rows & given.labelled
        hits, n = int(right[labelled].sum()), int(labelled.sum())
        found.append(Stratum(name or "(none)", float(rows.mean()), _expected(hits, n)))
    return tuple(found) if len(found) > 1 else ()
