"""What a policy gave each request, and the sums over clusters from which it is judged."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.stats.joint_bootstrap import Joint
from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["Curve", "Estimate", "Family", "Served", "require_complete", "select", "serve_chosen"]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        name: what it is; the unit ends the name where it is not a share.
        value: of the rows as they are; NaN where it is not defined, or never reached.
        low: lower end; None where there is none.
        high: upper end; None where there is none.
        method: how both were found.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    method: str

    @classmethod
    def of(cls, name: str, found: Joint, at: int, method: str) -> "Estimate":
        """One figure of a joint bootstrap; no ends where there is none, or it has no value."""
        value, low, high = (float(part[at]) for part in (found.value, found.low, found.high))
        if not math.isfinite(value):
            return cls(name, math.nan, None, None, method)
        return cls(
            name,
            value,
            low if math.isfinite(low) else None,
            high if math.isfinite(high) else None,
            method,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One policy at one setting, per request; expected values where it draws lots.

    Attributes:
        quality: ``(r,)`` quality of the answer, in [0, 1].
        cost_usd: ``(r,)`` everything the request paid, every model and judge it touched.
        latency_s: ``(r,)`` seconds to the answer; None where nobody logged it.
    """

    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None


class Family(Protocol):
    """A policy with a knob: what it serves at each setting."""

    @property
    def settings(self) -> int:
        """How many settings the knob has."""
        ...

    def serve(self, rows: Codes, setting: int) -> Served:
        """What the rows (indices into the outcome table) get at a setting."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A policy at several budgets, added up over each group of clusters.

    Attributes:
        name: of the policy.
        kind: single, mix, table, oracle, router, external, cascade, cascade_routing or given.
        quality: ``(G, B)`` sums of quality.
        cost_usd: ``(G, B)`` sums of US dollars.
        latency_s: ``(G, B)`` sums of seconds; None where nobody logged them.
        planned: ``(G, 2)`` sums of quality and dollars at the setting that was to equal the
            reference model's quality; None for a policy without a knob.
        note: what a reader must know of how it came about.
    """

    name: str
    kind: str
    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None
    planned: Floats | None = None
    note: str = ""


def require_complete(outcomes: Outcomes) -> None:
    """Refuse a table in which some model was not observed on some request.

    Raises:
        LlmopsError: no row, or a row without quality or cost of every model.
    """
    missing = len(outcomes) - int(outcomes.complete.sum())
    if missing or not len(outcomes):
        raise LlmopsError(
            "tiers-incomplete",
            f"{missing} of {len(outcomes)} requests lack the quality or cost of some model",
            hint="policies are compared on requests that every model answered; logs of the chosen "
            "model alone need propensities",
        )


def select(outcomes: Outcomes, rows: npt.NDArray[np.bool_] | Codes) -> Outcomes:
    """The same table with some of its rows, by mask or by index."""

    def of(values: Floats | None) -> Floats | None:
        return None if values is None else values[rows]

    at = np.arange(len(outcomes))[rows]
    return Outcomes(
        models=outcomes.models,
        quality=outcomes.quality[rows],
        cost_usd=outcomes.cost_usd[rows],
        latency_s=of(outcomes.latency_s),
        task=outcomes.task[rows],
        tasks=outcomes.tasks,
        cluster=outcomes.cluster[rows],
        chosen=None if outcomes.chosen is None else outcomes.chosen[rows],
        propensity=of(outcomes.propensity),
        text=None if outcomes.text is None else tuple(outcomes.text[i] for i in at.tolist()),
        scores=tuple((name, values[rows]) for name, values in outcomes.scores),
    )


def serve_chosen(outcomes: Outcomes, rows: Codes, chosen: Codes) -> Served:
    """What the rows get when each is answered by one model and nothing else is run."""
    return Served(
        outcomes.quality[rows, chosen],
        outcomes.cost_usd[rows, chosen],
        None if outcomes.latency_s is None else outcomes.latency_s[rows, chosen],
    )
