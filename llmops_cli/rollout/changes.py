"""Changes for the worse, put into the requests of a log: as if the new version had served them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.cost import costs_usd
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Guardrail

__all__ = ["NO_CHANGE", "Change", "Requests", "requests_of"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What gets worse, where and when.

    Attributes:
        name: shown to the reader.
        quality_drop: of the mean score of the requests concerned.
        latency_ratio: every duration times this, and so each of their quantiles.
        p95_ratio: their p95 times this and the median as it was: only the slow get slower.
        error_rise: share of the requests concerned that fail on top.
        cost_ratio: the cost of every request times this.
        only: column and value of the requests concerned; None for all.
        after_s: seconds from the start of the rollout to the first harm.
        drift_s: seconds from there until the harm is whole, rising evenly; 0 for at once.
    """

    name: str = "no change"
    quality_drop: float = 0.0
    latency_ratio: float = 1.0
    p95_ratio: float = 1.0
    error_rise: float = 0.0
    cost_ratio: float = 1.0
    only: tuple[str, str] | None = None
    after_s: float = 0.0
    drift_s: float = 0.0

    @property
    def harmless(self) -> bool:
        """Whether nothing gets worse."""
        return self == replace(NO_CHANGE, name=self.name)

    def strength(self, elapsed_s: Floats) -> Floats:
        """How much of the harm is there, 0 to 1, so many seconds into the rollout."""
        since = elapsed_s - self.after_s
        if self.drift_s <= 0:
            return (since >= 0).astype(np.float64)
        return np.clip(since / self.drift_s, 0.0, 1.0)


NO_CHANGE = Change()


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """The requests of a log as the guardrails see them; ``(N,)`` each.

    Attributes:
        failed: whether the call failed.
        score: NaN where there is none or the call failed.
        duration_s: NaN where it is not known or the call failed.
        concerned: whether a change touches it.
        order: a fixed random order of the requests: those that a change makes worse come first.
        cost_usd: NaN where it is not known; None where nobody asked.
    """

    failed: Mask
    score: Floats
    duration_s: Floats
    concerned: Mask
    order: npt.NDArray[np.int64]
    cost_usd: Floats | None = None

    def badness(self, guardrail: Guardrail) -> Floats:
        """What a guardrail counts of each request; NaN where the request does not carry it."""
        if guardrail.name == ERRORS:
            return self.failed.astype(np.float64)
        if guardrail.name == QUALITY:
            return 1 - self.score
        if guardrail.name == COST:
            unknown = np.full(len(self.failed), np.nan)
            usd = unknown if self.cost_usd is None else self.cost_usd
            return usd / (guardrail.unit_usd or np.nan)
        slow = self.duration_s >= (guardrail.threshold_s or np.inf)
        return np.where(np.isfinite(self.duration_s), slow, np.nan)

    def changed(self, change: Change, strength: Floats) -> "Requests":
        """The same requests served by the changed version, each at its strength.

        Raises:
            LlmopsError: ``rollout-change-too-large`` where fewer requests are left to fail, or
                the mean score is lower, than the change takes; ``rollout-flat-latency`` where
                nothing is slow that could get slower.
        """
        worse = self
        if (change.latency_ratio, change.p95_ratio) != (1, 1):
            worse = replace(worse, duration_s=_slower(self, change, strength))
        if self.cost_usd is not None and change.cost_ratio != 1:
            factor = np.where(self.concerned, 1 + (change.cost_ratio - 1) * strength, 1.0)
            worse = replace(worse, cost_usd=self.cost_usd * factor)
        if change.quality_drop:
            worse = replace(worse, score=_lower(self, change, strength))
        if change.error_rise:
            more = _first(self, self.concerned & ~self.failed, change.error_rise, strength, ERRORS)
            worse = replace(
                worse,
                failed=self.failed | more,
                score=np.where(more, np.nan, worse.score),
                duration_s=np.where(more, np.nan, worse.duration_s),
            )
        return worse


def requests_of(
    calls: CallsTable, change: Change, seed: int, guardrails: Sequence[Guardrail] = ()
) -> Requests:
    """The requests of a log, and which of them a change concerns; costs where they are guarded.

    Raises:
        LlmopsError: ``rollout-no-slice`` where no call has the column's value, and those of
            :func:`llmops_cli.rollout.cost.costs_usd`.
    """
    failed = calls["error_type"].notna().to_numpy(dtype=bool)
    known = {
        name: np.where(failed, np.nan, calls[name].to_numpy(dtype=np.float64, na_value=np.nan))
        for name in ("evaluation_score", "duration_s")
    }
    return Requests(
        failed=failed,
        score=known["evaluation_score"],
        duration_s=known["duration_s"],
        concerned=_concerned(calls, change),
        order=np.random.default_rng(seed).permutation(len(failed)),
        cost_usd=costs_usd(calls) if any(item.name == COST for item in guardrails) else None,
    )


def _concerned(calls: CallsTable, change: Change) -> Mask:
    if change.only is None:
        return np.ones(len(calls), dtype=bool)
    column, value = change.only
    if column not in calls.columns:
        raise LlmopsError(
            "rollout-no-slice",
            f"the calls table has no column '{column}'",
            hint="for example task=summary, request_model=NAME or user_id=NAME",
            exit_code=ExitCode.USAGE,
        )
    found = (calls[column].astype("string") == value).fillna(value=False).to_numpy(dtype=bool)
    if not found.any():
        raise LlmopsError(
            "rollout-no-slice",
            f"no call has '{column}' of that value",
            hint="llmops audit-traces shows what a log carries",
            field=column,
        )
    return found


def _slower(given: Requests, change: Change, strength: Floats) -> Floats:
    """Durations of the changed version: all times a ratio, those beyond the median stretched."""
    known = given.concerned & np.isfinite(given.duration_s)
    if not known.any():
        return given.duration_s
    median, slow = np.quantile(given.duration_s[known], (0.5, 0.95))
    if change.p95_ratio != 1 and slow <= median:
        raise LlmopsError(
            "rollout-flat-latency",
            "p95 and median of the durations are the same: there are no slow ones to make slower",
            hint="--latency-ratio slows every request",
            field="duration_s",
        )
    stretch = (change.p95_ratio - 1) * slow / (slow - median) if slow > median else 0.0
    beyond = np.maximum(given.duration_s - median, 0.0)
    longer = given.duration_s + stretch * strength * beyond
    factor = 1 + (change.latency_ratio - 1) * strength
    return np.where(given.concerned, factor * longer, given.duration_s)


def _first(given: Requests, among: Mask, share: float, strength: Floats, what: str) -> Mask:
    """As many of some requests, in the fixed order, as make up a share of all concerned.

    At half of the strength the first half of them are: the others are still well.
    """
    concerned = int(given.concerned.sum()) if what == ERRORS else int(_scored(given).sum())
    wanted = share * concerned
    places = np.full(len(among), np.inf)
    chosen = given.order[among[given.order]]
    if wanted > len(chosen):
        raise _too_large(what)
    places[chosen] = np.arange(len(chosen)) + 0.5
    return places < wanted * strength


def _scored(given: Requests) -> Mask:
    return given.concerned & np.isfinite(given.score)


def _lower(given: Requests, change: Change, strength: Floats) -> Floats:
    scored = _scored(given)
    values = given.score[scored]
    if not len(values):
        raise LlmopsError(
            "rollout-no-quality",
            "'evaluation_score' is in no call that the change concerns",
            hint="leave out --quality-drop, or log scores",
            field="evaluation_score",
        )
    if np.isin(values, (0.0, 1.0)).all():
        good = scored & (given.score == 1)
        lost = _first(given, good, change.quality_drop, strength, QUALITY)
        return np.where(lost, 0.0, given.score)
    mean = float(values.mean())
    if change.quality_drop > mean:
        raise _too_large(QUALITY)
    # In proportion, so that scores stay between 0 and 1.
    return np.where(scored, given.score * (1 - change.quality_drop / mean * strength), given.score)


def _too_large(what: str) -> LlmopsError:
    left = {ERRORS: "fewer requests succeed", QUALITY: "the mean score is lower", LATENCY: ""}[what]
    return LlmopsError(
        "rollout-change-too-large",
        f"{left} than the change takes away",
        hint="rehearse a smaller change",
        exit_code=ExitCode.USAGE,
    )
