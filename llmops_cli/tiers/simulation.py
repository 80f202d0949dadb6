"""The whole answer before anybody words it: rows, plan, its worth, roles, other policies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.asked_cascades import AskedCascade, asked_cascades
from llmops_cli.tiers.assignment import Assignment, assign
from llmops_cli.tiers.cells import Cells, cells_of
from llmops_cli.tiers.comparison import CompareParameters, Comparison, compare_policies
from llmops_cli.tiers.evaluation import Evaluated, evaluate
from llmops_cli.tiers.model import TierParameters, usage_error
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Served, select
from llmops_cli.tiers.roles import Role, roles
from llmops_cli.tiers.stability import Stability, cross_fitted, stability

__all__ = ["Rows", "Simulation", "prepared", "simulate"]

_MOSTLY = 0.5
"""Where at least so many rows have every model, the others are left out."""

_LEAST_CLUSTERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What was used of the outcomes.

    Attributes:
        outcomes: the rows that count.
        given: how many there were.
        complete: how many of those had every model's quality and cost.
        reference: index of the model everything is held against.
        free: names of models with answers that cost nothing, and how many.
        untimed: answers without a latency, where others have one.
    """

    outcomes: Outcomes
    given: int
    complete: int
    reference: int
    free: tuple[tuple[str, int], ...]
    untimed: int

    @property
    def paired(self) -> bool:
        """Whether some request was answered by two models."""
        return bool(((~np.isnan(self.outcomes.quality)).sum(axis=1) > 1).any())

    @property
    def partial(self) -> bool:
        """Whether rows count on which some model was not observed."""
        return self.complete < len(self.outcomes)


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """The answer.

    Attributes:
        rows: what it rests on.
        cells: sums of them.
        plan: the assignment.
        own: the plan on the rows it was chosen on.
        held_out: plans chosen the same way, on rows they were not chosen on; None where there
            are too few clusters.
        steady: how often the choices come out again.
        roles: of the models.
        asked: which other policies.
        comparison: those and the baselines, on rows that every model answered; None where there
            are too few of them.
        cascades: each one that was asked for.
    """

    rows: Rows
    cells: Cells
    plan: Assignment
    own: Evaluated
    held_out: Evaluated | None
    steady: Stability
    roles: tuple[Role, ...]
    asked: CompareParameters
    comparison: Comparison | None
    cascades: tuple[AskedCascade, ...]

    @property
    def expected(self) -> Evaluated:
        """What gates go by: held out where that is known."""
        return self.own if self.held_out is None else self.held_out


def prepared(outcomes: Outcomes, reference: str) -> Rows:
    """Choose the rows that count, and the reference.

    Raises:
        LlmopsError: ``tiers-one-model``, ``tiers-unknown-model``, ``tiers-no-cost``,
            ``tiers-no-quality``.
    """
    _check(outcomes)
    complete = outcomes.complete
    enough = complete.mean() >= _MOSTLY
    used = select(outcomes, complete) if enough and not complete.all() else outcomes
    free = [int((used.cost_usd[:, m] == 0).sum()) for m in range(len(used.models))]
    late = used.latency_s
    return Rows(
        outcomes=used,
        given=len(outcomes),
        complete=int(complete.sum()),
        reference=_reference(used, reference),
        free=tuple((n, count) for n, count in zip(used.models, free, strict=True) if count),
        untimed=0 if late is None else int((np.isnan(late) & ~np.isnan(used.quality)).sum()),
    )


def _check(outcomes: Outcomes) -> None:
    if len(outcomes.models) < 2:  # noqa: PLR2004 - one model leaves no choice
        raise LlmopsError(
            "tiers-one-model",
            f"all answers are by {' '.join(outcomes.models)}, so there is nothing to choose",
            hint="run a second model on the same requests",
        )
    known = ~np.isnan(outcomes.quality)
    for place, name in enumerate(outcomes.models):
        if not known[:, place].any():
            raise LlmopsError(
                "tiers-no-quality", f"no answer of {name} has a quality", hint="score its answers"
            )
        if np.isnan(outcomes.cost_usd[known[:, place], place]).all():
            raise LlmopsError(
                "tiers-no-cost",
                f"nobody says what an answer of {name} costs",
                hint=f"add the column '{name}|cost', or --cost '{name}=USD' for every request, or "
                "token columns and --prices; if it is no model, name those that are: --models",
            )


def _reference(outcomes: Outcomes, name: str) -> int:
    if name:
        if name not in outcomes.models:
            raise usage_error(
                "tiers-unknown-model",
                f"there is no model '{name}'",
                f"of: {', '.join(outcomes.models)}",
            )
        return outcomes.models.index(name)
    with np.errstate(invalid="ignore"):
        quality = np.nanmean(outcomes.quality, axis=0)
        cost = np.nanmean(outcomes.cost_usd, axis=0)
    return int(np.lexsort((cost, -quality))[0])


def simulate(
    outcomes: Outcomes, given: TierParameters, compare: CompareParameters | None = None
) -> Simulation:
    """Answer the question.

    Args:
        outcomes: of every model on every request, or on most.
        given: floors, limits, evidence, gates.
        compare: routers and cascades to hold beside the plan; the baselines where absent.

    Raises:
        LlmopsError: as :func:`prepared`, :func:`llmops_cli.tiers.assignment.assign` and
            :func:`llmops_cli.tiers.comparison.compare_policies`.
    """
    rows = prepared(outcomes, given.reference)
    if not rows.paired and given.evidence != "point":
        raise LlmopsError(
            "tiers-no-pairs",
            "no request was answered by two models, so no difference between models is shown",
            hint="run the models side by side on a sample; --evidence point takes the means of "
            "different requests, --plan holds a plan against logged propensities",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    used, asked = rows.outcomes, compare or CompareParameters()
    cells = cells_of(used, rows.reference, slower_than_s=given.max_p95_s, seed=given.seed)
    plan = assign(cells, given)
    return Simulation(
        rows=rows,
        cells=cells,
        plan=plan,
        own=evaluate(cells, plan.share, level=given.level, seed=given.seed),
        held_out=cross_fitted(cells, given),
        steady=stability(cells, plan, given),
        roles=roles(used, plan.shown, dict(given.tiers)),
        asked=asked,
        comparison=_comparison(used, rows.reference, plan, given, asked),
        cascades=tuple(asked_cascades(used, given, asked)),
    )


def _comparison(
    outcomes: Outcomes,
    reference: int,
    plan: Assignment,
    given: TierParameters,
    asked: CompareParameters,
) -> Comparison | None:
    every = outcomes.complete
    if len(np.unique(outcomes.cluster[every])) < _LEAST_CLUSTERS:
        return None
    shared = outcomes if every.all() else select(outcomes, every)
    served: Sequence[tuple[str, Served]] = (("this plan", _served(shared, plan)),)
    return compare_policies(
        shared,
        replace(
            asked,
            level=given.level,
            seed=given.seed,
            reference=outcomes.models[reference],
            # Without verdicts there is only what a judge of a stated reliability would do.
            cascades=asked.cascades if asked.judge else (),
            extra=(*served, *asked.extra),
        ),
    )


def _served(outcomes: Outcomes, plan: Assignment) -> Served:
    """What the plan gives every request, on average where classes are split."""
    part = plan.share[outcomes.task]
    late = outcomes.latency_s
    return Served(
        np.sum(part * outcomes.quality, axis=1),
        np.sum(part * outcomes.cost_usd, axis=1),
        None if late is None else np.sum(part * np.nan_to_num(late), axis=1),
    )
