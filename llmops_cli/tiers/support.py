"""Whether a log of chosen models can speak of another policy at all."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["Gap", "Support", "require_support", "support", "target_chances"]

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Gap:
    """A model that the policy would use and the log never shows on that task.

    Attributes:
        task: name of the task class.
        model: name of the model.
        share: of all requests' choices.
    """

    task: str
    model: str
    share: float


@dataclass(frozen=True, slots=True)
class Support:
    """What part of a policy's choices the log can speak of.

    Attributes:
        gaps: what is missing, the greatest share first.
    """

    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> float:
        """Share of the policy's choices without support."""
        return sum(gap.share for gap in self.gaps)


def target_chances(outcomes: Outcomes, target: Floats | npt.NDArray[np.int64]) -> Floats:
    """``(n, m)`` chances of a policy given as such or as one model per request.

    Raises:
        LlmopsError: another shape, a model that does not exist, or chances that do not add up.
    """
    n, m = outcomes.quality.shape
    if target.shape == (n,) and np.issubdtype(target.dtype, np.integer):
        if not ((target >= 0) & (target < m)).all():
            raise LlmopsError("tiers-bad-policy", "a policy chooses a model that is not there")
        return np.eye(m)[target.astype(np.int64)]
    chances = np.asarray(target, np.float64)
    if chances.shape != (n, m) or not (chances >= 0).all():
        raise LlmopsError("tiers-bad-policy", "a policy is a chance per request and model")
    if not np.allclose(chances.sum(axis=1), 1.0, atol=1e-6):
        raise LlmopsError("tiers-bad-policy", "the chances of a request's models add up to 1")
    return chances


def support(outcomes: Outcomes, target: Floats | npt.NDArray[np.int64]) -> Support:
    """Where the policy goes and the log does not, by task and model.

    A log that shows a model on a task once says that it can be chosen there; that it can be on
    every request of the task is what the mean weight checks.

    Args:
        outcomes: the table.
        target: as :func:`target_chances`.
    """
    chances = target_chances(outcomes, target)
    chosen = np.full(len(outcomes), -1) if outcomes.chosen is None else outcomes.chosen
    gaps: list[Gap] = []
    for task, name in enumerate(outcomes.tasks):
        here = outcomes.task == task
        if not here.any() or (here & (chosen < 0)).any():
            continue
        shown = np.bincount(chosen[here], minlength=len(outcomes.models)) > 0
        wanted = chances[here].sum(axis=0) / len(outcomes)
        gaps += [
            Gap(name, outcomes.models[at], float(wanted[at]))
            for at in np.flatnonzero(~shown & (wanted > _TOLERANCE)).tolist()
        ]
    return Support(tuple(sorted(gaps, key=lambda gap: (-gap.share, gap.task, gap.model))))


def require_support(outcomes: Outcomes, target: Floats | npt.NDArray[np.int64]) -> None:
    """Refuse what the log cannot answer.

    Raises:
        LlmopsError: exit code 4: no propensities, or choices without support; exit code 3: no
            row, propensities outside (0, 1], or a chosen model without its outcome.
    """
    if not len(outcomes):
        raise LlmopsError("tiers-no-rows", "there is no request to evaluate a policy on")
    chosen = outcomes.chosen
    if chosen is not None and (chosen >= 0).any():
        _require_propensity(outcomes, chosen)
    _require_outcomes(outcomes, chosen)
    found = support(outcomes, target)
    if found.gaps:
        worst = found.gaps[0]
        raise LlmopsError(
            "tiers-no-support",
            f"{found.missing:.1%} of the policy's choices were never logged: {worst.model} on "
            f"{worst.task} first",
            hint="explore: send a small share of those requests to that model, or run both",
            exit_code=ExitCode.INCONCLUSIVE,
        )


def _require_propensity(outcomes: Outcomes, chosen: npt.NDArray[np.int64]) -> None:
    logged = chosen >= 0
    known = None if outcomes.propensity is None else outcomes.propensity[logged]
    if known is None or np.isnan(known).any():
        raise LlmopsError(
            "tiers-no-propensity",
            "the log does not say with what probability each model was chosen",
            hint="log the propensity of the chosen model, or run all models on a sample",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    if not ((known > 0) & (known <= 1)).all():
        raise LlmopsError("tiers-bad-propensity", "propensities lie above 0 and not above 1")


def _require_outcomes(outcomes: Outcomes, chosen: npt.NDArray[np.int64] | None) -> None:
    """Every logged answer has its quality and cost; every full row has all of them."""
    missing = np.isnan(outcomes.quality) | np.isnan(outcomes.cost_usd)
    if chosen is None:
        lacking = missing.any(axis=1)
    else:
        own = np.take_along_axis(missing, np.maximum(chosen, 0)[:, None], axis=1)[:, 0]
        lacking = np.where(chosen < 0, missing.any(axis=1), own)
    if lacking.any():
        raise LlmopsError(
            "tiers-outcome-missing",
            f"{int(lacking.sum())} requests lack the quality or cost of the model that was used",
        )
