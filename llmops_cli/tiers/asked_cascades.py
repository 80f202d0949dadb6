"""Each cascade that was asked for: by how often a judge is right, and with the logged verdicts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.cascades import Ladder
from llmops_cli.tiers.comparison import CompareParameters
from llmops_cli.tiers.logged_judge import LoggedJudge, logged_judge
from llmops_cli.tiers.model import TierParameters, usage_error
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import select
from llmops_cli.tiers.reliability import CascadePoint, reliability_table

__all__ = ["AskedCascade", "asked_cascades"]


@dataclass(frozen=True, slots=True, eq=False)
class AskedCascade:
    """One cascade.

    Attributes:
        models: names, the first asked first.
        rows: requests that every model of it answered.
        points: its worth by reliability of an assumed judge.
        logged: its worth with the judge of the log; None where none was named.
    """

    models: tuple[str, ...]
    rows: int
    points: tuple[CascadePoint, ...]
    logged: LoggedJudge | None


def asked_cascades(
    outcomes: Outcomes, given: TierParameters, asked: CompareParameters
) -> Iterator[AskedCascade]:
    """Replay every cascade on the rows that all its models answered.

    Raises:
        LlmopsError: ``tiers-unknown-model``, ``tiers-bad-ladder``, ``tiers-cascade-apart``, and
            those of :func:`llmops_cli.tiers.logged_judge.logged_judge`.
    """
    for names in asked.cascades:
        order = tuple(_place(outcomes, name) for name in names)
        Ladder(order)  # refuses one step, and a model twice
        rows = _answered(outcomes, order)
        ladder = Ladder(tuple(range(len(order))), asked.judge_cost_usd, asked.judge_latency_s)
        points = reliability_table(rows, ladder, level=given.level, seed=given.seed)
        logged = None
        if asked.judge:
            logged = logged_judge(rows, ladder, asked.judge, level=given.level, seed=given.seed)
        yield AskedCascade(names, len(rows), points, logged)


def _place(outcomes: Outcomes, name: str) -> int:
    if name not in outcomes.models:
        known = ", ".join(outcomes.models)
        raise usage_error("tiers-unknown-model", f"there is no model '{name}'", f"of: {known}")
    return outcomes.models.index(name)


def _answered(outcomes: Outcomes, order: tuple[int, ...]) -> Outcomes:
    """The models of a cascade alone, on the requests that each of them answered."""
    at, late = list(order), outcomes.latency_s
    narrow = replace(
        outcomes,
        models=tuple(outcomes.models[place] for place in order),
        quality=outcomes.quality[:, at],
        cost_usd=outcomes.cost_usd[:, at],
        latency_s=None if late is None else late[:, at],
        chosen=None,
        propensity=None,
        scores=tuple(
            (name, values if values.ndim == 1 else values[:, at])
            for name, values in outcomes.scores
        ),
    )
    complete = narrow.complete
    if not complete.any():
        raise LlmopsError(
            "tiers-cascade-apart",
            f"no request was answered by each of {', '.join(narrow.models)}",
            hint="run the models of a cascade side by side on a sample",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    return narrow if complete.all() else select(narrow, complete)
