"""What must not get worse: quality, latency and errors as the baseline log shows them."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.cost import cost_guardrail, costs_usd
from llmops_cli.rollout.model import (
    DEFAULT_MARGINS,
    ERRORS,
    LATENCY,
    QUALITY,
    Guardrail,
)
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.clustering import clustering
from llmops_cli.stats.intervals import Interval, wilson

__all__ = [
    "LEAST_VALUES",
    "LEVEL",
    "Measured",
    "Missing",
    "errors_guardrail",
    "measure_guardrails",
    "rare_share",
]

LEAST_VALUES = 30
"""With fewer scores or durations their spread is not known."""

LEVEL = 0.90
"""Two-sided confidence of what is said about today."""

_SLOW = 0.95
_REACH = NormalDist().inv_cdf((1 + LEVEL) / 2)
_RARE = 10

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A guardrail the log can carry, with the interval of its value today.

    Attributes:
        guardrail: what the plan needs to know of it.
        now: interval of the baseline, for latency of the p95 in seconds, for cost in USD; None
            where it was given and not measured.
        n: calls that carry it.
    """

    guardrail: Guardrail
    now: Interval | None
    n: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A guardrail the log cannot carry: why, in which column, and what would help."""

    guardrail: str
    slug: str
    reason: str
    hint: str
    column: str
    exit_code: ExitCode = ExitCode.BAD_INPUT

    def error(self) -> LlmopsError:
        """The refusal, for a reader who asked for this guardrail by its margin."""
        return LlmopsError(
            self.slug,
            f"{self.reason}, so {self.guardrail} cannot be guarded",
            hint=f"{self.hint}, or leave out --{self.guardrail}-margin",
            field=self.column,
            exit_code=self.exit_code,
        )


def measure_guardrails(
    calls: CallsTable, codes: Codes, given: RolloutParameters
) -> tuple[tuple[Measured, ...], tuple[Missing, ...]]:
    """The guardrails a log can carry and those it cannot.

    Args:
        calls: the baseline log.
        codes: user of each call, -1 where unknown.
        given: the margins; one that was asked for must be measurable.

    Raises:
        LlmopsError: ``rollout-mostly-errors``; where a margin was given for what the log does
            not carry ``rollout-no-quality``, ``rollout-few-quality``, ``rollout-low-quality``,
            ``rollout-score-scale``, ``rollout-no-latency``, ``rollout-few-latency``,
            ``rollout-flat-latency``, ``rollout-few-errors`` of a ratio, and those of
            :mod:`llmops_cli.rollout.cost`.
    """
    failed = calls["error_type"].notna().to_numpy(dtype=bool)
    found: list[Measured] = []
    missing: list[Missing] = []
    for name, column, asked, measure in (
        (QUALITY, "evaluation_score", given.quality_margin, _quality),
        (LATENCY, "duration_s", given.latency_margin, _latency),
    ):
        values = calls[column].to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(failed, np.nan, values)
        margin = DEFAULT_MARGINS[name] if asked is None else asked
        if name == QUALITY:
            # A judge that errs shows only a part of a true drop.
            margin *= given.judge_knows
        result = _too_few(name, column, values) or measure(values, codes, margin)
        if isinstance(result, Measured):
            found.append(result if name != QUALITY else _as_asked(result, given))
        elif asked is not None:
            raise result.error()
        else:
            missing.append(result)
    found.append(_errors(failed.astype(np.float64), codes, given))
    if given.cost_margin is not None:
        costs = cost_guardrail(costs_usd(calls), codes, given.cost_margin, LEVEL)
        found.append(Measured(costs[0], Interval(*costs[1]), costs[2]))
    return tuple(found), tuple(missing)


def _as_asked(measured: Measured, given: RolloutParameters) -> Measured:
    asked = DEFAULT_MARGINS[QUALITY] if given.quality_margin is None else given.quality_margin
    return replace(measured, guardrail=replace(measured.guardrail, asked=asked))


def _too_few(name: str, column: str, values: Floats) -> Missing | None:
    known = int(np.isfinite(values).sum())
    if known >= LEAST_VALUES:
        return None
    if known == 0:
        reason = f"'{column}' is in no call that succeeded"
        return Missing(name, f"rollout-no-{name}", reason, "log it", column)
    return Missing(
        name,
        f"rollout-few-{name}",
        f"only {known} of {len(values):,} calls carry '{column}'",
        f"log it for {LEAST_VALUES} calls or more",
        column,
        ExitCode.INCONCLUSIVE,
    )


def _quality(scores: Floats, codes: Codes, margin: float) -> Measured | Missing:
    known = np.isfinite(scores)
    values = scores[known]
    if values.min() < 0 or values.max() > 1:
        return Missing(
            QUALITY,
            "rollout-score-scale",
            f"scores lie between {values.min():g} and {values.max():g}, not between 0 and 1",
            "log scores from 0 to 1",
            "evaluation_score",
        )
    mean = float(values.mean())
    if mean <= margin:
        return Missing(
            QUALITY,
            "rollout-low-quality",
            f"a mean score of {mean:.3g} cannot fall by {margin:g}",
            "give a smaller --quality-margin",
            "evaluation_score",
        )
    variance, at_margin = _score_variances(values, margin)
    guardrail = Guardrail(
        name=QUALITY,
        metric="mean evaluation score",
        baseline=mean,
        margin=margin,
        asked=margin,
        variance=variance,
        variance_at_margin=at_margin,
        design_effect=_clustering(values, codes[known]),
        coverage=float(known.mean()),
    )
    reach = _REACH * float(np.sqrt(variance * guardrail.design_effect / len(values)))
    return Measured(
        guardrail, Interval(max(0.0, mean - reach), min(1.0, mean + reach)), len(values)
    )


def _score_variances(scores: Floats, margin: float) -> tuple[float, float]:
    """Variance of a score now, and when the mean has fallen by the margin."""
    lost = float((1 - scores).sum())
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    if np.ptp(scores) == 0 or (binary and lost < _RARE):
        share = wilson(round(lost), len(scores)).high
        return _share_variances(share, margin)
    mean, variance = float(scores.mean()), float(scores.var(ddof=1))
    # Scores near their ceiling vary more when they fall: as those of yes and no do.
    growth = (mean - margin) * (1 - mean + margin) / (mean * (1 - mean))
    return variance, variance * max(1.0, growth)


def _share_variances(share: float, margin: float) -> tuple[float, float]:
    """Variance of an event now, and when its share has risen by the margin."""
    now, worse = share * (1 - share), share + margin
    return now, max(now, worse * (1 - worse))


def _latency(seconds: Floats, codes: Codes, ratio: float) -> Measured | Missing:
    # If every request slows by the ratio, the share beyond the old p95 rises by the margin.
    known = np.isfinite(seconds)
    values = seconds[known]
    slow_s = float(np.quantile(values, _SLOW))
    slow = (values >= slow_s).astype(np.float64)
    share = float(slow.mean())
    margin = float((values >= slow_s / ratio).mean()) - share
    if margin <= 0 or slow_s <= 0:
        return Missing(
            LATENCY,
            "rollout-flat-latency",
            f"no duration lies between the p95 of {slow_s:g} s and {slow_s / ratio:.4g} s, so a "
            f"p95 slower by {100 * (ratio - 1):.0f} % cannot be told from its tail",
            "give a longer log, finer durations or a larger --latency-margin",
            "duration_s",
        )
    variance, at_margin = _share_variances(share, margin)
    guardrail = Guardrail(
        name=LATENCY,
        metric="share of requests as slow as the baseline p95 or slower",
        baseline=share,
        margin=margin,
        asked=ratio,
        variance=variance,
        variance_at_margin=at_margin,
        design_effect=_clustering(slow, codes[known]),
        coverage=float(known.mean()),
        threshold_s=slow_s,
    )
    # The ranks between which the p95 lies, were as many calls independent as the users allow.
    reach = _REACH * float(np.sqrt(_SLOW * (1 - _SLOW) * guardrail.design_effect / len(values)))
    low, high = np.quantile(values, np.clip([_SLOW - reach, _SLOW + reach], 0, 1)).tolist()
    return Measured(guardrail, Interval(low, high), len(values))


def _errors(failed: Floats, codes: Codes, given: RolloutParameters) -> Measured:
    count, n = int(failed.sum()), len(failed)
    guardrail = errors_guardrail(count / n, given, count, n)
    guardrail = replace(guardrail, design_effect=_clustering(failed, codes))
    alone = max(1, round(n / guardrail.design_effect))
    return Measured(guardrail, wilson(round(count / n * alone), alone, LEVEL), n)


def errors_guardrail(share: float, given: RolloutParameters, count: int, n: int) -> Guardrail:
    """The guardrail of an error rate, requests taken as independent.

    Args:
        share: of requests that fail.
        given: the margin, in points or as a ratio.
        count: requests that failed.
        n: requests seen.

    Raises:
        LlmopsError: ``rollout-mostly-errors``; ``rollout-few-errors`` of a ratio.
    """
    ratio = given.error_ratio
    if ratio is not None and count < _RARE:
        raise _too_few_errors(count, n)
    asked = DEFAULT_MARGINS[ERRORS] if given.error_margin is None else given.error_margin
    margin = asked if ratio is None else (ratio - 1) * share
    if share + margin >= 1:
        raise LlmopsError(
            "rollout-mostly-errors",
            f"{count:,} of {n:,} calls failed: the error rate cannot rise by {margin:g}",
            hint="give a log of a version that works",
            field="error_type",
        )
    variance, at_margin = _share_variances(rare_share(share, n), margin)
    return Guardrail(
        name=ERRORS,
        metric="error rate",
        baseline=share,
        margin=margin,
        asked=margin,
        variance=variance,
        variance_at_margin=at_margin,
        design_effect=1.0,
        ratio=ratio,
    )


def rare_share(share: float, n: float) -> float:
    """What a share is planned for: the most it may be where too few were seen to know it."""
    count = round(share * n)
    return share if count >= _RARE else wilson(count, max(round(n), 1)).high


def _too_few_errors(count: int, n: int) -> LlmopsError:
    return LlmopsError(
        "rollout-few-errors",
        f"{count} of {n:,} calls failed: what a multiple of that is, nobody knows",
        hint="give --error-margin in points, or a longer log",
        field="error_type",
        exit_code=ExitCode.INCONCLUSIVE if count else ExitCode.BAD_INPUT,
    )


def _clustering(values: Floats, codes: Codes) -> float:
    known = codes >= 0
    if np.ptp(values) == 0:
        return 1.0
    _, dense = np.unique(codes[known], return_inverse=True)
    parts = np.column_stack([values[known], np.ones(int(known.sum())), values[known] ** 2])
    sums = cluster_sums(parts, dense.astype(np.int64))
    return clustering(sums[:, :2], sums[:, 2]).design_effect if len(sums) > 1 else 1.0
