"""Sets of models as one: what the best of their answers is expected to be worth.

What an answer will be judged to be worth is random before the model answers, and known afterwards.
Values are computed once per set, when a decision first needs them.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["MOST_MODELS", "Beliefs", "Supermodels"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]

MOST_MODELS = 6
"""Sets of sets grow as three to this power."""

_DRAWS = 64
_HALVINGS = 24
_ROWS = 4096
"""Rows whose draws are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """What is thought of each model on each request.

    Attributes:
        before: ``(n, m)`` expected quality before the model answers, in [0, 1].
        after: ``(n, m)`` expected quality once its answer has been seen and judged, in [0, 1].
        cost_usd: ``(n, m)`` expected US dollars of asking it, judge included.
        covariance: ``(m, m)`` of ``after - before``: what a judgement may change. Not of the
            outcomes: a judge who learns nothing from an answer gives no choice among answers.
    """

    before: Floats
    after: Floats
    cost_usd: Floats
    covariance: Floats


@dataclass(eq=False)
class Supermodels:
    """The best next set of models for every request, given the models already run.

    A set of models is an integer whose bit i stands for model i.

    Attributes:
        beliefs: estimates of every request.
        nested: only sets ``{0}, {0, 1}, ...``: a cascade in the order of the columns.
        prune: leave out sets with a model that does not earn its cost.

    Raises:
        LlmopsError: more models than sets of them can be gone through.

    Source:
        Dekoninck, Baader and Vechev (2024), A Unified Approach to Routing and Cascading for
        LLMs, arXiv 2410.10347: tau = E[max quality] - lambda cost. As E[max] is submodular, a
        model that does not pay beside few others does not pay beside more, and pruning is exact.
    """

    beliefs: Beliefs
    nested: bool = False
    prune: bool = True
    _values: dict[tuple[int, int], Floats] = field(default_factory=dict[tuple[int, int], Floats])
    _best: dict[tuple[int, float], Codes] = field(default_factory=dict[tuple[int, float], Codes])
    _steps: dict[tuple[int, float], Codes] = field(default_factory=dict[tuple[int, float], Codes])
    _noise: Floats = field(init=False)
    _centre: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Draw the errors once, so that decisions can be compared."""
        if self.models > MOST_MODELS:
            raise LlmopsError(
                "tiers-many-models",
                f"cascade routing over {self.models} models; {MOST_MODELS} are the most",
                hint="name the models of the cascade, for example those on the frontier",
                exit_code=ExitCode.USAGE,
            )
        self._noise = _normal_draws(self.beliefs.covariance)
        self._centre = _centres(self.beliefs.before, self._noise)

    @property
    def models(self) -> int:
        """Number of models."""
        return self.beliefs.before.shape[1]

    @property
    def computed(self) -> int:
        """Sets whose value some decision needed."""
        return len(self._values)

    def best(self, run: int, price: float) -> Codes:
        """``(n,)`` the set that each request should run to, ``run`` itself to stop.

        Args:
            run: models already run, 0 for none; then at least one is chosen.
            price: quality that a dollar must earn.
        """
        known = self._best.get((run, price))
        if known is None:
            known = self._best[run, price] = self._search(run, price)
        return known

    def step(self, run: int, price: float) -> Codes:
        """``(n,)`` the models run after the next step: ``run`` itself, or one model more.

        A cascade asks the first of the models it wants; else the cheapest of them comes first.
        """
        known = self._steps.get((run, price))
        if known is None:
            known = self._steps[run, price] = run | self._first(self.best(run, price) & ~run)
        return known

    def _first(self, goal: Codes) -> Codes:
        """The bit of the model to ask of each set; 0 of an empty one."""
        wanted = (goal[:, None] >> np.arange(self.models)) & 1 > 0
        order = np.arange(self.models) if self.nested else self.beliefs.cost_usd
        chosen = np.where(wanted, order, np.inf).argmin(axis=1)
        return np.where(goal == 0, 0, 1 << chosen)

    def _search(self, run: int, price: float) -> Codes:
        n = len(self.beliefs.before)
        top, chosen = np.full(n, -np.inf), np.full(n, run, np.int64)
        alive: dict[int, Masks] = {}
        for members in self._supersets(run):
            allowed = self._worth_it(run, members, price, alive)
            alive[members] = allowed
            if not allowed.any():
                continue
            worth = self.value(run, members) - price * self._cost(members & ~run)
            better = allowed & (worth > top)
            top[better], chosen[better] = worth[better], members
        return chosen

    def _supersets(self, run: int) -> list[int]:
        """Sets that hold ``run``, the smaller first."""
        if self.nested:
            every = [(1 << size) - 1 for size in range(1, self.models + 1)]
        else:
            every = sorted(range(1, 1 << self.models), key=int.bit_count)
        return [members for members in every if members & run == run]

    def _worth_it(self, run: int, members: int, price: float, alive: dict[int, Masks]) -> Masks:
        """Rows on which every model of the set that is still to run earns its cost in it."""
        allowed = np.ones(len(self.beliefs.before), np.bool_)
        if self.nested or not self.prune:
            return allowed
        for model in range(self.models):
            without = members & ~(1 << model)
            if without == members or run & (1 << model) or without == 0:
                continue
            allowed = allowed & alive[without]
            if not allowed.any():
                return allowed
            gain = self.value(run, members) - self.value(run, without)
            allowed = allowed & (gain >= price * self.beliefs.cost_usd[:, model])
        return allowed

    def _cost(self, members: int) -> Floats:
        return self.beliefs.cost_usd[:, self._of(members)].sum(axis=1)

    def _of(self, members: int) -> list[int]:
        return [model for model in range(self.models) if members & (1 << model)]

    def value(self, run: int, members: int) -> Floats:
        """``(n,)`` expected quality of the best answer of ``members``; ``run`` is known."""
        known = self._values.get((run, members))
        if known is None:
            known = self._values[run, members] = self._expected_best(run, members)
        return known

    def _expected_best(self, run: int, members: int) -> Floats:
        seen, unseen = self._of(run & members), self._of(members & ~run)
        n = len(self.beliefs.before)
        known = self.beliefs.after[:, seen].max(axis=1) if seen else np.full(n, -np.inf)
        if not unseen:
            return known
        if len(unseen) == 1 and not seen:
            return self.beliefs.before[:, unseen[0]]
        out = np.empty(n)
        for at in range(0, n, _ROWS):
            rows = slice(at, at + _ROWS)
            best = np.repeat(known[rows, None], _DRAWS, axis=1)
            for model in unseen:
                drawn = self._centre[rows, model, None] + self._noise[None, :, model]
                np.maximum(best, np.clip(drawn, 0.0, 1.0, out=drawn), out=best)
            out[rows] = best.mean(axis=1)
        return out


def _normal_draws(covariance: Floats) -> Floats:
    """``(64, m)`` even draws of normal errors, the same every time.

    Source:
        Additive recurrence with the roots of x^(m+1) = x + 1: Roberts (2018), The Unreasonable
        Effectiveness of Quasirandom Sequences.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - scipy is slow to load

    m = len(covariance)
    root = 2.0
    for _ in range(_HALVINGS):
        root = (1 + root) ** (1 / (m + 1))
    steps = root ** -np.arange(1.0, m + 1)
    even = (0.5 + np.arange(1, _DRAWS + 1)[:, None] * steps) % 1.0
    normal = np.asarray(ndtri(even), np.float64)
    normal = (normal - normal.mean(axis=0)) / normal.std(axis=0)
    # A little on the diagonal keeps errors that move together factorable.
    return normal @ np.linalg.cholesky(covariance + 1e-9 * np.eye(m)).T


def _centres(before: Floats, noise: Floats) -> Floats:
    """``(n, m)`` centres of draws that, cut to [0, 1], average ``before``."""
    reach = float(np.abs(noise).max())
    centre = np.empty_like(before)
    for at in range(0, len(before), _ROWS):
        rows = slice(at, at + _ROWS)
        for model in range(before.shape[1]):
            low = np.full(len(before[rows]), -reach)
            high = np.full(len(low), 1 + reach)
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                drawn = middle[:, None] + noise[None, :, model]
                short = np.clip(drawn, 0.0, 1.0, out=drawn).mean(axis=1) < before[rows, model]
                low, high = np.where(short, middle, low), np.where(short, high, middle)
            centre[rows, model] = (low + high) / 2
    return centre
