"""What requests cost and how long they take, as logged, when the judge is followed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.report import Measure

__all__ = ["Prices", "costs", "outcomes", "prices", "spent_following", "times"]

Floats = npt.NDArray[np.float64]

_FEW = 2
_COSTS = ("weak_cost_usd", "strong_cost_usd")


def outcomes(given: Cases) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Whether the weak and the strong model were right: 1, 0, or 2 where not logged."""
    weak, strong = (given.codes(name) for name in ("weak_correct", "strong_correct"))
    return weak, strong


@dataclass(frozen=True, slots=True)
class Prices:
    """Mean cost of a request, in USD.

    Attributes:
        kept: the weak model and the judge, which every request pays.
        strong: the strong model.
    """

    kept: float
    strong: float


def prices(given: Cases) -> Prices | None:
    """Mean logged costs; None without them."""
    found = _paid(given)
    if found is None or not found[1].mean() > 0:
        return None
    kept, strong, _ = found
    return Prices(float(kept.mean()), float(strong.mean()))


def _paid(given: Cases) -> tuple[Floats, Floats, npt.NDArray[np.bool_]] | None:
    return _spent(given, _COSTS, "judge_cost_usd")


def _spent(
    given: Cases, names: tuple[str, str], judge: str
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]] | None:
    if not set(names) <= given.columns.keys():
        return None
    weak, strong = (given.floats(name) for name in names)
    own = given.floats(judge) if judge in given.columns else np.zeros(len(given.judge))
    known = (given.judge < _FEW) & np.isfinite(weak) & np.isfinite(strong) & np.isfinite(own)
    known = given.weighable(known)
    return ((weak + own)[known], strong[known], known) if known.any() else None


def costs(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Cost of following the judge over that of the strong model alone."""
    found = _paid(given)
    if found is None:
        return ()
    kept, strong, rows = found
    spent = kept + (given.judge[rows] == 0) * strong
    sums = np.column_stack([given.weighted_sums(part, rows)[:, 0] for part in (spent, strong)])
    paid, alone = (float(part) for part in sums.sum(axis=0))
    return (
        estimate(
            "cost_ratio", "cost, of the strong model alone",
            paid / alone if alone > 0 else None,
            ratio_interval(sums, parameters.level),
            level=parameters.level, n=len(strong),
            method="logged USD: weak + judge + strong where escalated",
        ),
    )  # fmt: skip


def spent_following(given: Cases) -> tuple[Floats, Floats, npt.NDArray[np.bool_]] | None:
    """Outcome and cost of every decision when the judge is followed, and which those are.

    None without logged costs or both outcomes.
    """
    found = _paid(given)
    if found is None or not {"weak_correct", "strong_correct"} <= given.columns.keys():
        return None
    kept, strong, rows = found
    weak_right, strong_right = outcomes(given)
    known = rows & (weak_right < _FEW) & (strong_right < _FEW)
    usd = np.zeros(len(rows))
    usd[rows] = kept + (given.judge[rows] == 0) * strong
    good = np.where(given.judge == 1, weak_right, strong_right)[known].astype(np.float64)
    return good, usd[known], known


def times(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Mean time to the answer, one model after the other, and that of the strong model alone."""
    found = _spent(given, ("weak_latency_s", "strong_latency_s"), "judge_latency_s")
    if found is None:
        return ()
    kept, strong, rows = found
    taken = kept + (given.judge[rows] == 0) * strong
    return tuple(
        estimate(
            name, label, given.mean(values, rows),
            ratio_interval(given.weighted_sums(values, rows), level),
            level=level, n=len(values), unit="s", method="logged, weak then judge then strong",
        )
        for level in (parameters.level,)
        for name, label, values in (
            ("latency_following", "mean time, following the judge", taken),
            ("latency_strong", "mean time, strong model alone", strong),
        )
    )  # fmt: skip
