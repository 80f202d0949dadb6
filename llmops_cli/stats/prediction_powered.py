"""A mean from few true values and many predictions of them (prediction-powered inference)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.beta import student_quantile
from llmops_cli.stats.bootstrap import cluster_sums, renumbered
from llmops_cli.stats.intervals import Interval

__all__ = ["Predicted", "PredictionPowered", "prediction_powered_mean"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_FEW = 2


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What is known of the cases.

    Attributes:
        truth: ``(n,)`` true values of the labelled cases, a random sample of all cases.
        labelled: ``(n,)`` predictions of the same cases.
        unlabelled: ``(N,)`` predictions of the other cases.
        clusters: integer codes ``(n,)`` and ``(N,)`` of cases that belong together, in one
            numbering; None where all are independent.
    """

    truth: Floats
    labelled: Floats
    unlabelled: Floats
    clusters: tuple[Codes, Codes] | None = None

    def __post_init__(self) -> None:
        """Refuse what has no mean or no error."""
        if len(self.truth) != len(self.labelled):
            raise ValueError(f"{len(self.truth)} true values but {len(self.labelled)} predictions")
        if len(self.truth) < _FEW or len(self.unlabelled) < 1:
            raise ValueError("prediction-powered inference needs two labelled cases and one other")
        if not all(np.isfinite(part).all() for part in self._values):
            raise ValueError("values and predictions are finite numbers")
        if self.clusters is not None and [len(part) for part in self.clusters] != [
            len(self.truth),
            len(self.unlabelled),
        ]:
            raise ValueError("every case has a cluster code or none has")

    @property
    def _values(self) -> tuple[Floats, Floats, Floats]:
        return self.truth, self.labelled, self.unlabelled


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """The mean of the truth over all cases.

    Attributes:
        value: the estimate.
        error: its standard error.
        interval: of the mean.
        method: how the interval was made, "score" or "student".
        power: how far the predictions are trusted: 0 not at all, 1 fully.
        labels: labelled cases.
        worth: labelled cases that alone would give the same error.
        gap: mean prediction of the labelled minus that of the other cases, in standard
            errors; far from 0 the labelled cases are no random sample, and nothing holds.
    """

    value: float
    error: float
    interval: Interval
    method: str
    power: float
    labels: int
    worth: float
    gap: float


def prediction_powered_mean(
    given: Predicted, *, power: float | None = None, level: float = 0.95
) -> PredictionPowered:
    """Estimate the mean; never much worse than the labelled cases alone, whatever the predictions.

    Args:
        given: truth and predictions.
        power: 0 for the labelled cases alone, 1 for plain prediction-powered inference; None
            for the power that makes the error smallest, cut to [0, 1].
        level: two-sided confidence.

    Raises:
        ValueError: a level outside (0, 1), or fewer than two labelled clusters (three for a
            tuned power).

    Source:
        Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), Science 382:669-674;
        Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453 (power
        tuning; without clusters power and error are those of its authors' package). With
        clusters the same, from sums of influence over clusters. For few labels the interval
        widens the error by sqrt(G / d) and takes Student's quantile with d = G - 1 degrees of
        freedom, G - 2 with a tuned power, as for a regression (Cochran 1977, Sampling
        Techniques, chapter 7). Where the truth is yes or no it is Wilson's interval of as
        many cases as would have this error, which keeps its level near 0 and 1 (for surveys:
        Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3:484-503); not for
        a power fixed above 0, whose error does not shrink towards 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    of_truth, of_gap = _influences(given)
    # A power found from the same labels costs one degree of freedom, as a slope does.
    fitted = 1 if power is None else 0
    if power is None:
        power = min(max(_best_power(given, of_truth, of_gap), 0.0), 1.0)
    error = math.sqrt(float(((of_truth - power * of_gap) ** 2).sum()))
    gap = float(given.labelled.mean() - given.unlabelled.mean())
    groups = _labelled_groups(given)
    free = groups - 1 - fitted
    if free < 1:
        raise ValueError("an error needs two labelled clusters, and a tuned power a third")
    value = float(given.truth.mean()) - power * gap
    widened, quantile = error * math.sqrt(groups / free), student_quantile(free, 0.5 + level / 2)
    score = (fitted or power == 0) and np.isin(given.truth, (0.0, 1.0)).all()
    alone = float((of_truth**2).sum())
    return PredictionPowered(
        value=value,
        error=error,
        interval=_score(value, widened, quantile, groups)
        if score
        else Interval(value - quantile * widened, value + quantile * widened),
        method="score" if score else "student",
        power=power,
        labels=len(given.truth),
        worth=len(given.truth) * alone / error**2 if error > 0 else math.inf,
        gap=_in_errors(gap, math.sqrt(float((of_gap**2).sum()))),
    )


def _score(value: float, error: float, quantile: float, groups: int) -> Interval:
    share = min(max(value, 0.0), 1.0)
    cases = max(share * (1 - share) / error**2, 1.0) if error > 0 else float(groups)
    squared = quantile**2 / cases
    reach = quantile * math.sqrt((share * (1 - share) + squared / 4) / cases)
    low, high = (share + squared / 2 - reach), (share + squared / 2 + reach)
    return Interval(max(low / (1 + squared), 0.0), min(high / (1 + squared), 1.0))


def _influences(given: Predicted) -> tuple[Floats, Floats]:
    """What each cluster adds to the error of the mean truth, and to that of the gap."""
    labels, others = len(given.truth), len(given.unlabelled)
    truth = np.concatenate([(given.truth - given.truth.mean()) / labels, np.zeros(others)])
    gap = np.concatenate(
        [
            (given.labelled - given.labelled.mean()) / labels,
            -(given.unlabelled - given.unlabelled.mean()) / others,
        ]
    )
    if given.clusters is None:
        return truth, gap
    codes = renumbered(np.concatenate(given.clusters))
    sums = cluster_sums(np.column_stack([truth, gap]), codes)
    return sums[:, 0], sums[:, 1]


def _best_power(given: Predicted, of_truth: Floats, of_gap: Floats) -> float:
    if given.clusters is not None:
        spread = float((of_gap**2).sum())
        return float((of_truth * of_gap).sum()) / spread if spread > 0 else 0.0
    together = np.concatenate([given.labelled, given.unlabelled])
    spread = (1 + len(given.truth) / len(given.unlabelled)) * float(together.var(ddof=1))
    shared = (given.truth - given.truth.mean()) * (given.labelled - given.labelled.mean())
    return float(shared.mean()) / spread if spread > 0 else 0.0


def _labelled_groups(given: Predicted) -> int:
    if given.clusters is None:
        return len(given.truth)
    return int(renumbered(given.clusters[0]).max()) + 1


def _in_errors(gap: float, error: float) -> float:
    if error > 0:
        return gap / error
    return 0.0 if gap == 0 else math.copysign(math.inf, gap)
