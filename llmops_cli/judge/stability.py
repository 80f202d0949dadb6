"""Does the verdict depend on what it should not: the order of a pair, the run, the length?"""

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate, share
from llmops_cli.report import Measure
from llmops_cli.stats.intervals import Interval

__all__ = ["positions", "repeats", "verbosity"]

Ints = npt.NDArray[np.int64]

_FEW = 2
_TIE = 2


def positions(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Of pairs judged in both orders: the same winner, and the place that wins otherwise.

    Source:
        Position consistency and preference fairness: Shi et al. (2024), arXiv 2406.07791.
    """
    both = {"judge_first", "judge_swapped"} <= given.columns.keys()
    if parameters.kind != "pairwise" or not both:
        return ()
    first, second = (given.codes(name) for name in ("judge_first", "judge_swapped"))
    known = (first != given.missing) & (second != given.missing)
    # A is shown first in the first order and last in the second one.
    to_first, to_second = (first == 0) & (second == 1), (first == 1) & (second == 0)
    return tuple(
        share(names, given, part, parameters, weighted=False)
        for names, part in (
            (("position_consistency", "same winner in both orders"), (known, first == second)),
            (
                ("first_preference", "flips that favour the first place"),
                (to_first | to_second, to_first),
            ),
        )
    )


def repeats(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Share of pairs of runs on the same decision that agree; ``judge_2`` … are the other runs."""
    names = [name for name in given.columns if name.removeprefix("judge_").isdecimal()]
    if not names:
        return ()
    first = "judge_first" if "judge_first" in given.columns else "judge"
    runs = np.stack([given.codes(name) for name in (first, *names)])
    known = runs != given.missing
    sizes = known.sum(axis=0)
    counts = np.stack([((runs == code) & known).sum(axis=0) for code in range(given.missing)])
    agreeing = (counts * (counts - 1)).sum(axis=0)
    pairs = sizes * (sizes - 1)
    twice = pairs > 0
    share = agreeing[twice] / pairs[twice]
    sums = given.sums(share.astype(np.float64), twice)
    value = float(share.mean()) if len(share) else None
    return (
        estimate(
            "repeat_stability", "same verdict when asked again", value,
            ratio_interval(sums, parameters.level),
            level=parameters.level, n=int(twice.sum()),
            method="share of agreeing pairs of runs, per decision; Student over decisions",
        ),
    )  # fmt: skip


def verbosity(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Does length win? In pairs the share won by the longer answer, wrong where it is wrong.

    Alone: how much more often the judge accepts long answers than short ones when both are bad
    (the truth held fixed), in percentage points.
    """
    if parameters.kind == "pairwise" and {"length_a", "length_b"} <= given.columns.keys():
        return (_longer_wins(given, parameters),)
    if parameters.kind == "binary" and "length" in given.columns:
        return (_longer_accepted(given, parameters),)
    return ()


def _longer_wins(given: Cases, parameters: JudgeParameters) -> Measure:
    a, b = (given.floats(f"length_{side}") for side in "ab")
    longer = np.where(a > b, 0, np.where(b > a, 1, _TIE))
    # Where the shorter answer is better, the longer one can win by its length alone.
    tempted = given.answered & (given.gold < _TIE) & (longer == 1 - given.gold)
    names = ("longer_wrongly_preferred", "longer answer wins though worse")
    return share(names, given, (tempted, given.judge == longer), parameters)


def _longer_accepted(given: Cases, parameters: JudgeParameters) -> Measure:
    length = given.floats("length")
    bad = given.answered & (given.gold == 0) & np.isfinite(length)
    name, label = "verbosity_effect", "bad long answers accepted more often"
    if not bad.any():
        return estimate(
            name, label, None, None,
            level=parameters.level, n=0, unit="points", method="no such rows",
        )  # fmt: skip
    # A regression on being longer than the median: its slope is a difference of two shares.
    long_ = (length > np.median(length[bad]))[bad].astype(np.float64)
    said = (given.judge == 1)[bad].astype(np.float64)
    centred = long_ - long_.mean()
    spread = float((centred**2).sum())
    if spread == 0:
        return estimate(
            name, label, None, None,
            level=parameters.level, n=len(said), unit="points", method="all of one length",
        )  # fmt: skip
    slope = float((centred * said).sum()) / spread
    residual = said - said.mean() - slope * centred
    sums = given.sums(centred * residual, bad)
    sums = np.column_stack([sums[:, 0], np.full(len(sums), spread / len(sums))])
    around = ratio_interval(sums, parameters.level)
    interval = None if around is None else _points(slope, around)
    return estimate(
        name, label, 100 * slope, interval,
        level=parameters.level, n=len(said), unit="points",
        method="longer than the median or not, truth held fixed; linear, sandwich error",
    )  # fmt: skip


def _points(slope: float, around: Interval) -> Interval:
    return Interval(100 * (slope + around.low), 100 * (slope + around.high))
