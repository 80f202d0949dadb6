"""What a judge evaluation is asked, and the mathematics of its gate: bounds and label budgets."""

import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = [
    "AGAINST",
    "GATE_LEVEL",
    "KINDS",
    "MULTIPLICITY",
    "JudgeParameters",
    "labels_needed",
    "least_correct",
    "usage",
]

AGAINST: tuple[str, ...] = ("threshold", "break-even", "both")
"""What the judge's accuracy is held against."""

KINDS: tuple[str, ...] = ("binary", "tiers", "pairwise")
"""What verdicts are: the weak answer will do or not, one of ordered tiers, the better of two."""

MULTIPLICITY: tuple[str, ...] = ("holm", "bh")
"""How claims about many tasks are kept honest: no false one, or few false ones."""

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
            does worse than always using the strong model), or ``both``; without both models'
            outcomes ``both`` is the threshold alone.
        level: two-sided confidence of displayed intervals.
        power: chance of a decision that the label budget is computed for.
        seed: seed of every resampling and split.
        kind: what verdicts are, one of :data:`KINDS`.
        tiers: names of the classes by code, cheapest first; only for ``tiers``.
        cut: the weak answer will do where ``score`` is at least this; only without verdicts.
        under_cost: what it costs to use a tier too cheap, per tier.
        over_cost: what it costs to use a tier too dear, per tier.
        sequential: bounds that hold however often one looks while labels arrive.
        sprt: the two accuracies of a sequential probability ratio test, or none.
        multiplicity: one of :data:`MULTIPLICITY`, for claims about tasks.
    """

    threshold: float = 0.80
    against: str = "both"
    level: float = 0.95
    power: float = 0.80
    seed: int = 0
    kind: str = "binary"
    tiers: tuple[str, ...] = ()
    cut: float | None = None
    under_cost: float = 1.0
    over_cost: float = 1.0
    sequential: bool = False
    sprt: tuple[float, float] | None = None
    multiplicity: str = "holm"

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be answered."""
        for name in ("threshold", "level", "power"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise usage(
                    f"judge-bad-{name}",
                    f"--{name} {value:g} does not lie between 0 and 1",
                    "80 % is 0.8",
                )
        for name, known in (
            ("against", AGAINST), ("multiplicity", MULTIPLICITY), ("kind", KINDS)
        ):  # fmt: skip
            _one_of(name, getattr(self, name), known)
        for name in ("under_cost", "over_cost"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise usage("judge-bad-cost", f"{value:g} is not a cost", "0 or more is")
        if self.sprt is not None and not 0 < self.sprt[0] < self.sprt[1] < 1:
            raise usage(
                "judge-bad-sprt",
                "the two accuracies must lie between 0 and 1, the lower one first",
                "0.78,0.85",
            )
        if self.cut is not None and not math.isfinite(self.cut):
            raise usage("judge-bad-cut", f"--cut {self.cut:g} is no score", "0.5 is")
        if self.sprt is not None and (self.sequential or self.against == "break-even"):
            other = "--sequential" if self.sequential else "--against break-even"
            raise usage(
                "judge-two-gates",
                f"--sprt takes the place of the threshold, and {other} asks for another gate",
                "give one of the two",
            )
        if self.kind == "tiers" and len(self.tiers) < 2:  # noqa: PLR2004 - one tier is no choice
            raise usage("judge-bad-tiers", "there are fewer than two tiers", "name them all")

    def of(self, kind: str, names: tuple[str, ...]) -> "JudgeParameters":
        """The same question of another kind of verdicts.

        Args:
            kind: one of :data:`KINDS`.
            names: the classes by code; they matter where they are tiers.
        """
        return replace(self, kind=kind, tiers=names if kind == "tiers" else ())

    @property
    def names(self) -> tuple[str, ...]:
        """The classes by code; the code after the last one is no verdict, no truth."""
        return {
            "binary": ("escalate", "accept"),
            "tiers": self.tiers,
            "pairwise": ("A", "B", "tie"),
        }[self.kind]


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value in known:
        return
    near = get_close_matches(value, known, n=1)
    what = {"against": "nothing to hold a judge against"}.get(name, f"no {name}")
    raise usage(
        f"judge-bad-{name}",
        f"'{value}' is {what}",
        f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}",
    )


def usage(slug: str, message: str, hint: str) -> LlmopsError:
    """What the user asked for cannot be answered, whatever the data."""
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
