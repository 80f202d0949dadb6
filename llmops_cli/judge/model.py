"""What a judge evaluation is asked, and the mathematics of its gate: bounds and label budgets."""

import math
from dataclasses import dataclass
from difflib import get_close_matches
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["AGAINST", "GATE_LEVEL", "JudgeParameters", "labels_needed", "least_correct"]

AGAINST: tuple[str, ...] = ("threshold", "break-even", "both")
"""What the judge's accuracy is held against."""

GATE_LEVEL = 0.90
"""Two-sided, so that each end is a one-sided 95 % bound."""

_MOST_LABELS = 10_000_000
_STEP = 5
_SEARCH_ALL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParameters:
    """The question.

    Attributes:
        threshold: accuracy that the one-sided 95 % lower bound must exceed.
        against: ``threshold``, ``break-even`` (the accuracy below which following the judge
            does worse than always using the strong model), or ``both``.
        level: two-sided confidence of displayed intervals.
        power: chance of a decision that the label budget is computed for.
        seed: seed of the cluster bootstrap.
    """

    threshold: float = 0.80
    against: str = "threshold"
    level: float = 0.95
    power: float = 0.80
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be answered."""
        for name in ("threshold", "level", "power"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise _usage(
                    f"judge-bad-{name}",
                    f"--{name} {value:g} does not lie between 0 and 1",
                    "80 % is 0.8",
                )
        if self.against not in AGAINST:
            near = get_close_matches(self.against, AGAINST, n=1)
            raise _usage(
                "judge-bad-against",
                f"'{self.against}' is nothing to hold a judge against",
                f"did you mean '{near[0]}'?" if near else f"one of {', '.join(AGAINST)}",
            )


def _usage(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)


def least_correct(
    labels: npt.NDArray[np.int64], bound: float, confidence: float = 0.95
) -> npt.NDArray[np.int64]:
    """The fewest correct decisions whose exact lower bound exceeds ``bound``.

    Args:
        labels: ``(m,)`` sample sizes.
        bound: the accuracy to exceed.
        confidence: one-sided.

    Returns:
        ``(m,)`` counts; larger than the sample where no count is enough.

    Source:
        The Clopper-Pearson lower bound exceeds p exactly when P(X >= k | n, p) is below
        1 - confidence: Clopper and Pearson (1934).
    """
    from scipy.special import bdtrc, bdtrik  # noqa: PLC0415 - scipy is slow to load

    about = np.floor(np.asarray(bdtrik(confidence, labels, bound))).astype(np.int64)
    near = np.maximum(about, 0)[:, None] + np.arange(4)
    holds = bdtrc(np.minimum(near - 1, labels[:, None]), labels[:, None], bound) < 1 - confidence
    return np.take_along_axis(near, holds.argmax(axis=1)[:, None], axis=1)[:, 0]


def labels_needed(
    accuracy: float, bound: float, *, power: float = 0.80, confidence: float = 0.95
) -> int | None:
    """Labels that decide the gate with the given power, if ``accuracy`` is the truth.

    Below the bound the mirrored question is answered: how many show that it is missed.

    Returns:
        The smallest multiple of 5 (of a thousandth, for budgets beyond 5,000), or None where
        more than ten million are needed.

    Source:
        Exact binomial power of the Clopper-Pearson gate, searched around the normal
        approximation (Fleiss, Levin and Paik 2003, section 2.5).
    """
    from scipy.special import bdtrc  # noqa: PLC0415 - scipy is slow to load

    if accuracy < bound:
        accuracy, bound = 1 - accuracy, 1 - bound
    about = _normal_labels(accuracy, bound, power, confidence)
    if about > _MOST_LABELS:
        return None
    step = max(_STEP, round(about / 1000 / _STEP) * _STEP)
    first = _STEP if about < _SEARCH_ALL else round(0.9 * about / step) * step
    labels = np.arange(first, 1.2 * about + 100 * step, step, dtype=np.int64)
    least = np.minimum(least_correct(labels, bound, confidence) - 1, labels)
    enough = np.flatnonzero(bdtrc(least, labels, accuracy) >= power)
    return int(labels[enough[0]]) if len(enough) else None


def _normal_labels(accuracy: float, bound: float, power: float, confidence: float) -> float:
    if accuracy <= bound or bound <= 0:
        return math.inf
    normal = NormalDist()
    reach = normal.inv_cdf(confidence) * math.sqrt(bound * (1 - bound))
    reach += max(normal.inv_cdf(power), 0.0) * math.sqrt(accuracy * (1 - accuracy))
    return (reach / (accuracy - bound)) ** 2
