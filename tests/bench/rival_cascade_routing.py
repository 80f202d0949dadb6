"""eth-sri/cascade-routing on estimates that bench_tiers_routing.py hands over as a file.

Runs under another Python, in which its package ``selection`` can be imported: it is not on PyPI
and brings dependencies of its own. Prints, as JSON, the processor seconds and the points of cost
and quality at budgets between the cheapest and the dearest model. Its bisection alone is run
(``ConstantStrategy``), with its own evaluation of expected maxima, in any order of models.
"""

import json
import sys
import time

import numpy as np
from selection.base_computer import BaseComputer
from selection.cascade_router import CascadeRouter
from selection.lambda_strategy import ConstantStrategy
from selection.quality_computer import BaseQualityComputer


class Estimated(BaseQualityComputer):
    """Quality as it is thought before an answer, and after it; errors as they were measured."""

    def __init__(self, before: np.ndarray, after: np.ndarray, covariance: np.ndarray) -> None:
        super().__init__()
        self.before, self.after, self.covariance = before, after, covariance

    @property
    def is_independent(self) -> bool:
        """Errors may move together."""
        return False

    def predict(
        self, questions: list[int], model_answers: list[list[object]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimates and their covariance; what has been answered is nearly certain."""
        values, spreads = [], []
        for row, answers in zip(questions, model_answers, strict=True):
            seen = np.array([answer is not None for answer in answers])
            values.append(np.where(seen, self.after[row], self.before[row]))
            unknown = np.outer(~seen, ~seen)
            spreads.append(np.where(unknown, self.covariance, 0.0) + 1e-6 * np.diag(seen))
        return np.array(values), np.array(spreads)


class Priced(BaseComputer):
    """Known costs."""

    def __init__(self, cost: np.ndarray) -> None:
        super().__init__()
        self.cost = cost

    def predict(
        self, questions: list[int], model_answers: list[list[object]] | None = None
    ) -> np.ndarray:
        """Costs of the rows."""
        del model_answers
        return self.cost[questions]


def main() -> None:
    """Read the estimates, fit every budget, print what that took and gave."""
    with np.load(sys.argv[1]) as given:
        before, after, cost = given["before"], given["after"], given["cost"]
        quality, covariance = given["quality"], given["covariance"]
        budgets = given["budgets"].tolist()
    rows, answers = list(range(len(cost))), [[""] * cost.shape[1]] * len(cost)
    scale = 1 / cost.mean(axis=0).max()  # its prices are sought from a fixed start
    start, points = time.process_time(), []
    for budget in budgets:
        router = CascadeRouter(
            Estimated(before, after, covariance),
            Priced(cost * scale),
            list(range(cost.shape[1])),
            budget * scale,
            strategies=[ConstantStrategy(10)],
            force_order=False,
        )
        router.fit(rows, answers, quality, cost * scale)
        low, cheap, high, dear = router._execute_cheap_expensive(  # noqa: SLF001 - its own way
            router.lambdas, rows, answers, quality, cost * scale
        )
        share = float(router.gamma)
        points.append([(cheap + share * (dear - cheap)) / scale, low + share * (high - low)])
    print(json.dumps({"seconds": time.process_time() - start, "points": points}))


if __name__ == "__main__":
    main()
