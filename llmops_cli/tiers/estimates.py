"""What each model's answer would be worth and cost, estimated from rows one may learn from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.features import learn_features
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes

__all__ = ["LEARNERS", "Expected", "learned", "table_of_tasks", "truth"]

Floats = npt.NDArray[np.float64]
Expected = Callable[[Codes], tuple[Floats, Floats]]
"""From rows (indices into the table) to ``(r, m)`` expected quality and ``(r, m)`` US dollars."""

_PRIOR = 5.0
"""Rows that a task's mean is pulled towards the mean of all with."""

_MOST = 20_000
"""Rows that a model is fitted on; more cost time and change little."""


def truth(outcomes: Outcomes) -> Expected:
    """The outcomes themselves: what an oracle knows."""
    return lambda rows: (outcomes.quality[rows], outcomes.cost_usd[rows])


def table_of_tasks(outcomes: Outcomes, fit: Codes) -> Expected:
    """Means per task and model, of the rows ``fit``; small tasks lean on the mean of all."""
    quality = _means(outcomes, outcomes.quality, fit)
    cost = _means(outcomes, outcomes.cost_usd, fit)
    task = outcomes.task
    return lambda rows: (quality[task[rows]], cost[task[rows]])


def _means(outcomes: Outcomes, values: Floats, fit: Codes) -> Floats:
    """``(tasks, m)`` shrunken means."""
    member = np.eye(len(outcomes.tasks))[outcomes.task[fit]]
    every = values[fit].mean(axis=0)
    sums = member.T @ values[fit] + _PRIOR * every
    return sums / (member.sum(axis=0)[:, None] + _PRIOR)


def learned(outcomes: Outcomes, fit: Codes, learner: str, seed: int = 0) -> Expected:
    """Estimates from what is known before any model answers.

    Args:
        outcomes: the table.
        fit: rows to learn from; of very many, a sample.
        learner: logistic, knn or boosting.
        seed: of the sample and of the learner.

    Raises:
        LlmopsError: a learner that is not known.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    if learner not in LEARNERS:
        raise LlmopsError(
            "tiers-unknown-router",
            f"no router is called {learner!r}",
            hint="one of " + ", ".join(LEARNERS),
            exit_code=ExitCode.USAGE,
        )
    if len(fit) > _MOST:
        fit = np.sort(np.random.default_rng(seed).choice(fit, _MOST, replace=False))
    # Threads that wait for each other cost more than these small fits take, and may add up in
    # another order.
    with threadpool_limits(1):
        features = learn_features(outcomes, fit, seed)
        known = features(fit)
        models = [LEARNERS[learner](known, column, seed) for column in outcomes.quality[fit].T]
        prices = _linear(known, outcomes.cost_usd[fit])

    def expect(rows: Codes) -> tuple[Floats, Floats]:
        with threadpool_limits(1):
            here = features(rows)
            quality = np.column_stack([model(here) for model in models])
            cost = here @ prices
        return np.clip(quality, 0.0, 1.0), np.maximum(cost, 0.0)

    return expect


def _linear(known: Floats, values: Floats) -> Floats:
    """Ridge regression; the tasks' zeros and ones stand in for an intercept."""
    width = known.shape[1]
    found = np.linalg.solve(known.T @ known + 1e-3 * np.eye(width), known.T @ values)
    return np.asarray(found, np.float64)


def _logistic(known: Floats, values: Floats, seed: int) -> Callable[[Floats], Floats]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to load

    if values.min() == values.max():
        return _constant(float(values[0]))
    # A grade of 0.7 is 0.7 of a right answer and 0.3 of a wrong one.
    right, wrong = np.flatnonzero(values > 0), np.flatnonzero(values < 1)
    model = LogisticRegression(C=0.1, solver="newton-cholesky", max_iter=1000, random_state=seed)
    model.fit(
        known[np.append(right, wrong)],
        np.append(np.ones(len(right)), np.zeros(len(wrong))),
        sample_weight=np.append(values[right], 1 - values[wrong]),
    )
    return lambda rows: np.asarray(model.predict_proba(rows))[:, 1]


def _neighbours(known: Floats, values: Floats, seed: int) -> Callable[[Floats], Floats]:
    from sklearn.neighbors import KNeighborsRegressor  # noqa: PLC0415 - slow to load

    del seed  # nothing is drawn
    return _predict(KNeighborsRegressor(min(50, len(values))).fit(known, values))


def _boosting(known: Floats, values: Floats, seed: int) -> Callable[[Floats], Floats]:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - slow to load

    model: Any = HistGradientBoostingRegressor
    model = model(
        max_iter=60, learning_rate=0.08, max_leaf_nodes=8, early_stopping=False, random_state=seed
    )
    return _predict(model.fit(known, values))


def _predict(model: Any) -> Callable[[Floats], Floats]:  # noqa: ANN401 - scikit-learn has no types
    return lambda rows: np.asarray(model.predict(rows), np.float64)


def _constant(value: float) -> Callable[[Floats], Floats]:
    return lambda rows: np.full(len(rows), value)


LEARNERS: dict[str, Callable[[Floats, Floats, int], Callable[[Floats], Floats]]] = {
    "logistic": _logistic,
    "knn": _neighbours,
    "boosting": _boosting,
}
"""From features, one model's quality and a seed to a function of features."""
