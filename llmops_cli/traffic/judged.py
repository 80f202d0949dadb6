"""Scores find their calls across the whole log: an id of an answer is not bound to a trace."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.homes import Home
from llmops_cli.traffic.joins import Plan
from llmops_cli.traffic.keys import Codes
from llmops_cli.traffic.nesting import NONE, Rows

__all__ = ["Scores", "targets"]


def targets(wanted: Codes, above: Rows, answers: Codes, calls: Rows) -> Rows:
    """The call of each evaluation: the first with the answer it names, else that of its span.

    Args:
        wanted: the answer that each evaluation names, 0 for none.
        above: the call of each one's span, or -1.
        answers: what calls answered.
        calls: the rows of those calls.
    """
    if not len(calls):
        return above
    order = np.lexsort((calls, answers))
    at = np.minimum(np.searchsorted(answers[order], wanted), len(order) - 1)
    return np.where((wanted != 0) & (answers[order[at]] == wanted), calls[order[at]], above)


class Scores:
    """Every evaluation of a log and the calls that may be meant.

    Args:
        answers: those that any evaluation names.
    """

    def __init__(self, answers: Codes) -> None:
        self._named = answers
        self._answers: list[Codes] = []
        self._calls: list[Rows] = []
        self._evaluations: list[tuple[Rows, Codes, Rows, Rows, npt.NDArray[np.float64]]] = []
        self._names: dict[str, int] = {}

    def see(self, home: Home, joins: Plan) -> None:
        """Take in what one home has of evaluations, and of calls that are named by some."""
        named = np.flatnonzero(joins.keep & np.isin(home.keys.answer, self._named))
        self._answers.append(home.keys.answer[named])
        self._calls.append(home.rows[named])
        rows, above = joins.judged.T
        names = home.apart.take(rows, "evaluation_name").to_pylist()
        codes = [self._names.setdefault(name or "", len(self._names)) for name in names]
        scores = home.apart.take(rows, "evaluation_score").to_numpy(zero_copy_only=False)
        above = np.where(above != NONE, home.rows[above], NONE)
        found = (home.rows[rows], home.keys.answer[rows], above, np.array(codes, np.int64), scores)
        self._evaluations.append(found)

    def finish(self, counts: dict[str, int]) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Judged calls in order, and one score for each.

        Of several evaluators it is the one that judged most, of its words the last.
        """
        rows, answers, above, names, scores = map(
            np.concatenate, zip(*self._evaluations, strict=True)
        )
        calls = targets(answers, above, np.concatenate(self._answers), np.concatenate(self._calls))
        lost = int((calls == NONE).sum())
        if lost:
            counts["evaluation-without-call"] = lost
        judged = Counter[int](names[calls != NONE].tolist())
        words = list(self._names)
        most = min(judged, key=lambda name: (-judged[name], words[name]), default=NONE)
        chosen = np.flatnonzero((calls != NONE) & (names == most))
        chosen = chosen[np.lexsort((rows[chosen], calls[chosen]))]
        last = np.diff(calls[chosen], append=NONE) != 0
        return calls[chosen][last], scores[chosen][last]
