"""Every policy beside every baseline, on the same rows, budgets and resamples."""

import math
from dataclasses import dataclass

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.stats.joint_bootstrap import resampling_groups
from llmops_cli.tiers.budgets import Board, held_out
from llmops_cli.tiers.cascade_routing import stepwise
from llmops_cli.tiers.cascades import Ladder
from llmops_cli.tiers.figures import PolicyResult, Resampling, figures
from llmops_cli.tiers.folds import folds
from llmops_cli.tiers.model import usage_error
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Curve, Served, require_complete
from llmops_cli.tiers.routers import external, learned_router, oracle, static_table
from llmops_cli.tiers.threshold_cascade import threshold_cascade

__all__ = ["CompareParameters", "Comparison", "compare_policies"]


@dataclass(frozen=True, slots=True, eq=False)
class CompareParameters:
    """What to compare, and how.

    Attributes:
        level: two-sided confidence of every interval.
        resamples: of the bootstrap.
        seed: of folds, learners and bootstrap.
        folds: parts that rows are cut into.
        budgets: how many, evenly from the cheapest to the reference model's cost.
        reference: model to compare with; the best one where empty.
        routers: learners: logistic, knn, boosting.
        external: names of logged router scores.
        cascades: ladders of model names, each in order.
        judge: name of the logged scores of answers that cascades go by.
        judge_cost_usd: US dollars per judged answer.
        judge_latency_s: seconds per judged answer.
        extra: policies that were decided elsewhere, by name.
    """

    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    folds: int = 5
    budgets: int = 11
    reference: str = ""
    routers: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    cascades: tuple[tuple[str, ...], ...] = ()
    judge: str = ""
    judge_cost_usd: float = 0.0
    judge_latency_s: float = 0.0
    extra: tuple[tuple[str, Served], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a judge who is paid or waited for less than nothing."""
        for value in (self.judge_cost_usd, self.judge_latency_s):
            if not 0 <= value < math.inf:
                raise usage_error(
                    "tiers-bad-judge", f"a verdict cannot cost or take {value:g}", "0 or more"
                )

    @property
    def several(self) -> bool:
        """Whether anything beyond the baselines is asked for that needs a comparison."""
        return bool(self.routers or self.external or (self.cascades and self.judge))


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All policies.

    Attributes:
        level: confidence of the intervals.
        resamples: of the bootstrap.
        seed: of folds, learners and bootstrap.
        rows: requests.
        clusters: of them.
        folds: parts they were cut into.
        reference: the model compared with.
        cheapest: the cheapest model.
        policies: in the order singles, mix, table, routers, cascades, given ones, oracle.
    """

    level: float
    resamples: int
    seed: int
    rows: int
    clusters: int
    folds: int
    reference: str
    cheapest: str
    policies: tuple[PolicyResult, ...]

    def policy(self, name: str) -> PolicyResult:
        """The policy of that name.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.policies}[name]


def compare_policies(outcomes: Outcomes, asked: CompareParameters) -> Comparison:
    """Baselines, routers and cascades with paired cluster-bootstrap intervals.

    Learned models, thresholds and prices come from rows of other clusters than the row they are
    scored on. A setting per budget is planned there too, so the points of a curve are held out;
    only figures that take the best of a curve's points (hulls, arena score) still look at them.
    Intervals are of these fitted policies on other requests like these; fitting again on another
    log would vary more.

    Args:
        outcomes: the table, every model observed on every row.
        asked: what to compare, and how.

    Raises:
        LlmopsError: an incomplete table, fewer than three clusters, or a model, score or learner
            that is not known.
    """
    require_complete(outcomes)
    board = _board(outcomes, asked)
    best = held_out(board, "oracle", "oracle", oracle(board))
    curves = [*_singles(board), *_policies(board, asked), best]
    results = figures(board, curves, Resampling(asked.level, asked.resamples, asked.seed))
    return Comparison(
        asked.level, asked.resamples, asked.seed, len(outcomes), len(np.unique(outcomes.cluster)),
        len(board.folds), outcomes.models[board.reference], outcomes.models[board.cheapest],
        results,
    )  # fmt: skip


def _board(outcomes: Outcomes, asked: CompareParameters) -> Board:
    quality, cost = outcomes.quality.mean(axis=0), outcomes.cost_usd.mean(axis=0)
    # Of equally good or cheap models the cheaper or better one.
    best = int(np.lexsort((cost, -quality))[0])
    return Board(
        outcomes,
        folds(outcomes.cluster, asked.folds, asked.seed),
        resampling_groups(outcomes.cluster, seed=asked.seed),
        np.linspace(0, 1, asked.budgets),
        cheapest=int(np.lexsort((-quality, cost))[0]),
        reference=_model(outcomes, asked.reference) if asked.reference else best,
    )


def _model(outcomes: Outcomes, name: str) -> int:
    if name not in outcomes.models:
        raise LlmopsError(
            "tiers-unknown-model",
            f"no outcomes of model {name!r}",
            hint="models here: " + ", ".join(outcomes.models),
            exit_code=ExitCode.USAGE,
        )
    return outcomes.models.index(name)


def _fixed(board: Board, name: str, kind: str, served: Served) -> Curve:
    every = np.arange(len(board.outcomes))
    late = served.latency_s
    return Curve(
        name,
        kind,
        board.total(every, served.quality)[:, None],
        board.total(every, served.cost_usd)[:, None],
        None if late is None else board.total(every, late)[:, None],
    )


def _singles(board: Board) -> list[Curve]:
    every = np.arange(len(board.outcomes))
    return [
        _fixed(board, name, "single", board.single(every, at))
        for at, name in enumerate(board.outcomes.models)
    ]


def _mix(board: Board) -> Curve:
    """The cheapest and the reference model by lot: what a router without knowledge gets."""
    ends = [_fixed(board, "", "", board.single(np.arange(len(board.outcomes)), at))
            for at in (board.cheapest, board.reference)]  # fmt: skip
    share = board.budgets[None, :]
    late = [end.latency_s for end in ends]
    return Curve(
        "random mix",
        "mix",
        ends[0].quality + share * (ends[1].quality - ends[0].quality),
        ends[0].cost_usd + share * (ends[1].cost_usd - ends[0].cost_usd),
        None if late[0] is None or late[1] is None else late[0] + share * (late[1] - late[0]),
    )


def _policies(board: Board, asked: CompareParameters) -> list[Curve]:
    learners = [
        held_out(board, f"router {name}", "router", learned_router(board, name, asked.seed))
        for name in asked.routers
    ]
    logged = [
        held_out(board, f"score {name}", "external", external(board, name))
        for name in asked.external
    ]
    given = [_fixed(board, name, "given", served) for name, served in asked.extra]
    table = held_out(board, "static table", "table", static_table(board))
    return [_mix(board), table, *learners, *logged, *_cascades(board, asked), *given]


def _cascades(board: Board, asked: CompareParameters) -> list[Curve]:
    curves: list[Curve] = []
    for names in asked.cascades:
        ladder = Ladder(
            tuple(_model(board.outcomes, name) for name in names),
            asked.judge_cost_usd,
            asked.judge_latency_s,
        )
        steps, judge = " > ".join(names), asked.judge
        curves += [
            held_out(board, f"cascade {steps}", "cascade",
                     threshold_cascade(board, ladder, judge)),
            held_out(board, f"optimal cascade {steps}", "cascade",
                     stepwise(board, ladder, judge, nested=True)),
            held_out(board, f"cascade routing {steps}", "cascade_routing",
                     stepwise(board, ladder, judge, nested=False)),
        ]  # fmt: skip
    return curves
