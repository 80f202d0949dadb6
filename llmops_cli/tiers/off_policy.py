"""What another policy would have given, from a log that shows only the chosen model.

Each logged answer counts by how much likelier the other policy is to choose its model. Where the
log never shows what that policy would do, there is no answer, and none is given.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.joint_bootstrap import Joint, joint_intervals, resampling_groups
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Estimate
from llmops_cli.tiers.reward_model import cross_fitted_means
from llmops_cli.tiers.support import require_support, target_chances

__all__ = ["OffPolicy", "OffPolicyParameters", "OffPolicyValue", "evaluate_off_policy"]

Floats = npt.NDArray[np.float64]

_SURE = 4.0
"""Standard errors; chance alone falls as short once in 30,000 logs."""

_ROUNDING = 1e-6

_METHODS = (
    "inverse propensity weighting",
    "self-normalised inverse propensity weighting",
    "doubly robust: cross-fitted means per task and model, corrected by weighted residuals",
)


@dataclass(frozen=True, slots=True)
class OffPolicyParameters:
    """How to estimate.

    Attributes:
        level: two-sided confidence of the intervals.
        resamples: of the cluster bootstrap.
        seed: of the bootstrap and of the folds.
        least_effective: effective rows below which there is no answer.
        clip: greatest weight; None leaves weights as they are, and estimates unbiased.
    """

    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    least_effective: float = 30.0
    clip: float | None = None


@dataclass(frozen=True, slots=True)
class OffPolicyValue:
    """One outcome under the other policy, estimated in three ways.

    Attributes:
        ips: inverse propensity weighting: unbiased, widest.
        snips: the same over the sum of the weights: stays in range, biased a little.
        doubly_robust: right if either the propensities or the means are.
    """

    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate


@dataclass(frozen=True, slots=True)
class OffPolicy:
    """The value of another policy.

    Attributes:
        rows: logged requests with an outcome.
        clusters: of them.
        matched: rows whose logged model the policy might choose.
        effective_rows: unweighted rows that would say as much, (sum w)^2 / sum w^2.
        largest_weight_share: share of the heaviest row in the sum of weights.
        mean_weight: 1 in expectation where the log supports the policy.
        quality: mean quality.
        cost_usd: mean US dollars per request.
    """

    rows: int
    clusters: int
    matched: int
    effective_rows: float
    largest_weight_share: float
    mean_weight: Estimate
    quality: OffPolicyValue
    cost_usd: OffPolicyValue


def evaluate_off_policy(
    outcomes: Outcomes,
    target: Floats | npt.NDArray[np.int64],
    asked: OffPolicyParameters | None = None,
) -> OffPolicy:
    """Quality and cost that another policy would have had on these requests.

    Args:
        outcomes: the table; where ``chosen`` is -1 every model was run, and the outcome is known.
        target: ``(n, m)`` chances with which the policy chooses each model, or ``(n,)`` the model
            it chooses.
        asked: how to estimate.

    Raises:
        LlmopsError: with exit code 4 where propensities are missing, where the policy chooses
            models that the log never shows on that task, or where too few effective rows remain;
            with exit code 3 for chances that are none.

    Source:
        IPS: Horvitz and Thompson (1952), JASA 47:663-685. SNIPS: Swaminathan and Joachims
        (2015), NeurIPS. Doubly robust: Dudik, Langford and Li (2011), ICML. Effective rows:
        Kish (1965), Survey Sampling.
    """
    asked = asked or OffPolicyParameters()
    chances = target_chances(outcomes, target)
    require_support(outcomes, chances)
    weight = _weights(outcomes, chances, asked.clip)
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0
    if effective < asked.least_effective:
        raise LlmopsError(
            "tiers-too-few-effective",
            f"the log is worth {effective:.1f} rows of this policy, fewer than "
            f"{asked.least_effective:g}",
            hint="log more, or explore more: the chosen models differ too much from the policy's",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    if asked.clip is None:
        _require_whole_weight(outcomes, weight)
    return _estimated(outcomes, chances, weight, asked)


def _require_whole_weight(outcomes: Outcomes, weight: Floats) -> None:
    """Refuse where the weights fall short of 1: some choices of the policy are never logged."""
    _, dense = np.unique(outcomes.cluster, return_inverse=True)
    short = float(1 - weight.mean())
    error = float(np.sqrt((np.bincount(dense, weights=weight - weight.mean()) ** 2).sum()))
    if short > _SURE * error / len(weight) and short > _ROUNDING:
        raise LlmopsError(
            "tiers-no-support",
            f"the log covers {1 - short:.0%} of the policy's choices: on some requests its model "
            "is never chosen",
            hint="explore on every request, however rarely, or run both models on a sample",
            exit_code=ExitCode.INCONCLUSIVE,
        )


def _weights(outcomes: Outcomes, chances: Floats, clip: float | None) -> Floats:
    """``(n,)`` chance under the policy over chance in the log; 1 where all models were run."""
    chosen, propensity = outcomes.chosen, outcomes.propensity
    if chosen is None or propensity is None:  # then every model was run on every request
        return np.ones(len(outcomes))
    own = np.take_along_axis(chances, np.maximum(chosen, 0)[:, None], axis=1)[:, 0]
    weight = np.where(chosen < 0, 1.0, own / np.where(chosen < 0, 1.0, propensity))
    return weight if clip is None else np.minimum(weight, clip)


def _estimated(
    outcomes: Outcomes, chances: Floats, weight: Floats, asked: OffPolicyParameters
) -> OffPolicy:
    groups = resampling_groups(outcomes.cluster, seed=asked.seed)
    columns = [np.ones(len(weight)), weight]
    for values in (outcomes.quality, outcomes.cost_usd):
        means = cross_fitted_means(outcomes, values, asked.seed)
        columns += _terms(outcomes, values, means, (chances, weight))
    found = joint_intervals(
        cluster_sums(np.column_stack(columns), groups), _figures,
        level=asked.level, resamples=asked.resamples, seed=asked.seed,
    )  # fmt: skip
    return OffPolicy(
        rows=len(outcomes),
        clusters=len(np.unique(outcomes.cluster)),
        matched=int((weight > 0).sum()),
        effective_rows=float(weight.sum() ** 2 / (weight**2).sum()),
        largest_weight_share=float(weight.max() / weight.sum()),
        mean_weight=Estimate.of("mean_weight", found, 0, "mean over rows; 1 under full support"),
        quality=_value("quality", found, 1),
        cost_usd=_value("cost_usd", found, 4),
    )


def _terms(
    outcomes: Outcomes, values: Floats, means: Floats, policy: tuple[Floats, Floats]
) -> list[Floats]:
    """Per row what IPS and the doubly robust estimate add up."""
    chances, weight = policy
    chosen = np.full(len(values), -1) if outcomes.chosen is None else outcomes.chosen
    every = chosen < 0
    at = np.maximum(chosen, 0)[:, None]
    seen = np.take_along_axis(values, at, axis=1)[:, 0]
    known = (chances * np.where(chances > 0, values, 0.0)).sum(axis=1)
    modelled = (chances * means).sum(axis=1)
    residual = seen - np.take_along_axis(means, at, axis=1)[:, 0]
    return [
        np.where(every, known, weight * np.where(weight > 0, seen, 0.0)),
        np.where(every, known, modelled + weight * np.where(weight > 0, residual, 0.0)),
    ]


def _figures(totals: Floats) -> Floats:
    """Mean weight, then IPS, SNIPS and doubly robust for quality and for cost."""
    rows, weight = totals[:, 0], np.where(totals[:, 1] > 0, totals[:, 1], np.nan)
    columns = [totals[:, 1] / rows]
    for at in (2, 4):
        columns += [totals[:, at] / rows, totals[:, at] / weight, totals[:, at + 1] / rows]
    return np.column_stack(columns)


def _value(name: str, found: Joint, at: int) -> OffPolicyValue:
    return OffPolicyValue(
        *(Estimate.of(name, found, at + i, method) for i, method in enumerate(_METHODS))
    )
