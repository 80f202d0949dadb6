"""A log served again many times over: users drawn from it, each whole, into both arms.

Users are put into equal groups; an arm's traffic of one pass is a draw of groups with
replacement, so what users repeat and what they do in the same hour stays together. One matrix
product gives all runs: (runs, groups) times (groups, looks x sums).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable
from llmops_cli.rollout.changes import NO_CHANGE, Change, Requests, requests_of
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.schedule import Schedule, StageLooks, clock

__all__ = ["GROUPS", "Paths", "Replay"]

GROUPS = 1000
"""Users are put into at most so many groups."""

Floats = npt.NDArray[np.float64]
Small = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """What many runs of one rollout see, look by look and not yet added up.

    Attributes:
        treated: per guardrail the new version, ``(R, T)``.
        control: per guardrail the old one beside it, ``(R, T)``.
        before: per guardrail the log itself as each run may have found it, ``(R, 1)``.
        exposed: requests on the new version, ``(R, T)``.
        known: what stages have seen, kept for the next rule that judges them.
    """

    treated: tuple[Sample, ...]
    control: tuple[Sample, ...]
    before: tuple[Sample, ...]
    exposed: Floats
    known: dict[tuple[int, StageLooks], Arms] = field(
        default_factory=dict[tuple[int, StageLooks], Arms]
    )

    def arms(self, guardrail: int, stage: StageLooks) -> Arms:
        """What a stage has seen at each of its looks.

        Where no control is left, it is the log and the control of the stages before.
        """
        if (guardrail, stage) not in self.known:
            self.known[guardrail, stage] = self._arms(guardrail, stage)
        return self.known[guardrail, stage]

    def _arms(self, guardrail: int, stage: StageLooks) -> Arms:
        treated = self.treated[guardrail].between(stage.first, stage.last).running()
        control = self.control[guardrail]
        if stage.beside:
            return Arms(treated, control.between(stage.first, stage.last).running())
        old = self.before[guardrail] + control.between(0, stage.first).summed()
        nothing = Sample(*(np.zeros_like(treated.n) for _ in range(3)))
        return Arms(treated, nothing + old)


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A log ready to be served again.

    Attributes:
        requests: as the guardrails see them.
        group: ``(N,)`` the group of each request's user.
        unit: ``(N,)`` its user.
        look: ``(N,)`` the look it falls before.
        looks: in one pass of the log.
        guardrails: what is counted.
        change: what the new version does worse.
        known: sums by strength of the change, kept from run to run.
    """

    requests: Requests
    group: Ints
    unit: Ints
    look: Ints
    looks: int
    guardrails: tuple[Guardrail, ...]
    change: Change
    known: dict[bytes, Small] = field(default_factory=dict[bytes, "Small"])

    @classmethod
    def of(
        cls,
        calls: CallsTable,
        units: Ints,
        guardrails: tuple[Guardrail, ...],
        look_s: float,
        change: Change = NO_CHANGE,
        *,
        seed: int = 0,
    ) -> "Replay":
        """Take the log apart: ``units`` names the user of each call, -1 where unknown."""
        start = calls["start_time"]
        there = start.notna().to_numpy(dtype=bool)
        calls, units = calls[there], units[there]
        alone = units < 0
        units = np.where(alone, units.max(initial=-1) + np.cumsum(alone), units)
        _, units = np.unique(units, return_inverse=True)
        spread = np.random.default_rng(seed).permutation(int(units.max()) + 1)
        moments = calls["start_time"].astype("int64[pyarrow]").to_numpy(dtype=np.int64)
        look, looks = clock(moments.astype(np.int64), look_s)
        group = spread[units] % min(GROUPS, len(spread))
        requests = requests_of(calls, change, seed, guardrails)
        return cls(requests, group, units, look, looks, guardrails, change)

    @property
    def groups(self) -> int:
        """How many groups users are in."""
        return int(self.group.max()) + 1

    @property
    def arrivals(self) -> Floats:
        """``(H,)`` requests before each look of one pass."""
        return np.bincount(self.look, minlength=self.looks).astype(np.float64)

    def play(self, schedule: Schedule, runs: int, draw: np.random.Generator) -> Paths:
        """Serve the rollout so many times."""
        width = 1 + 3 * len(self.guardrails)
        arms = np.zeros((2, runs, schedule.looks, width), dtype=np.float32)
        healthy = self._sums(np.zeros(self.looks))
        for part in _parts(schedule, self.looks):
            at = slice(part.first, part.last)
            whole = part.first // self.looks * self.looks + np.arange(self.looks)
            strength = self.change.strength(schedule.look_s * whole.astype(np.float64))
            columns = slice(part.first % self.looks, (part.last - 1) % self.looks + 1)
            if part.beside:
                treated, control = _sizes(part, self.groups)
                arms[0, :, at] = self._served(self._sums(strength), columns, treated, runs, draw)
                arms[1, :, at] = self._served(healthy, columns, control, runs, draw)
                continue
            arms[0, :, at] = self._served(self._sums(strength), columns, self.groups, runs, draw)
        log = self._served(healthy, slice(0, self.looks), self.groups, runs, draw).sum(1)[:, None]
        exposed = arms[0, :, :, 0].astype(np.float64)
        for part in schedule.stages:
            exposed[:, part.first : part.last] *= not part.shadow
        return Paths(self._samples(arms[0]), self._samples(arms[1]), self._samples(log), exposed)

    def _sums(self, strength: Floats) -> Small:
        """``(groups, H, 1 + 3 G)`` requests, and per guardrail count, badness and squares."""
        key = strength.tobytes()
        if key not in self.known:
            self.known[key] = self._levelled(self._raw(strength))
        return self.known[key]

    def _raw(self, strength: Floats) -> Small:
        served = self.requests
        if strength.any() and not self.change.harmless:
            served = served.changed(self.change, strength[self.look])
        cell = self.group * self.looks + self.look
        sums = [np.bincount(cell, minlength=self.groups * self.looks)]
        for guardrail in self.guardrails:
            values = served.badness(guardrail)
            known = np.isfinite(values)
            filled = np.where(known, values, 0.0)
            sums += [
                np.bincount(cell, weights=part, minlength=self.groups * self.looks)
                for part in (known, filled, filled**2)
            ]
        return np.stack(sums, axis=1).reshape(self.groups, self.looks, -1).astype(np.float32)

    def _levelled(self, sums: Small) -> Small:
        """Take from every hour's level what chance made of it: a run adds chance of its own.

        What the hours of the log differ by beyond chance stays.
        """
        levelled = sums.copy()
        for index, guardrail in enumerate(self.guardrails):
            first = 1 + 3 * index
            n, means = self._by_look(first)
            excess = _beyond_chance(means[0], n, guardrail)
            for column, mean in zip((first + 1, first + 2), means, strict=True):
                level = float(np.average(mean, weights=n)) if n.any() else 0.0
                change = (1 - excess) * (level - mean)
                levelled[..., column] += sums[..., first] * change.astype(np.float32)
        return levelled

    def _by_look(self, first: int) -> tuple[Floats, tuple[Floats, Floats]]:
        """Counts, mean badness and mean square of one guardrail at each look of the log."""
        sums = self._raw(np.zeros(self.looks))[..., first : first + 3].sum(axis=0, dtype=np.float64)
        n = sums[:, 0]
        return n, (sums[:, 1] / np.maximum(n, 1), sums[:, 2] / np.maximum(n, 1))

    def _served(
        self, sums: Small, columns: slice, size: int, runs: int, draw: np.random.Generator
    ) -> Small:
        """``(runs, T, sums)`` of an arm: so many groups drawn with replacement in each run."""
        chosen = draw.integers(0, self.groups, (runs, size), dtype=np.int32)
        cell = chosen + self.groups * np.arange(runs, dtype=np.int32)[:, None]
        times = np.bincount(cell.ravel(), minlength=runs * self.groups).astype(np.float32)
        part = sums[:, columns]
        seen = times.reshape(runs, self.groups) @ part.reshape(self.groups, -1)
        return seen.reshape(runs, *part.shape[1:])

    def _samples(self, sums: Small) -> tuple[Sample, ...]:
        wide = sums.astype(np.float64)
        return tuple(
            Sample(*(wide[..., 1 + 3 * index + place] for place in range(3)))
            for index in range(len(self.guardrails))
        )


def _beyond_chance(means: Floats, n: Floats, guardrail: Guardrail) -> Floats:
    """How much of each hour's distance from the level is not chance: 0 to 1.

    The variance between hours less that of chance, by moments, as in a random-effects model;
    its root relative to both scales the distances to the variance that is left.
    """
    if not n.any():
        return np.zeros_like(n)
    level = np.average(means, weights=n)
    chance = guardrail.variance * guardrail.design_effect / np.maximum(n, 1)
    between = max(float(np.average((means - level) ** 2 - chance, weights=n)), 0.0)
    return np.sqrt(between / np.maximum(between + chance, 1e-300))


def _sizes(stage: StageLooks, groups: int) -> tuple[int, int]:
    treated = max(1, round(stage.share * groups))
    if stage.shadow:
        return treated, groups
    treated = min(treated, max(1, groups - 1))
    return treated, max(1, groups - treated)


def _parts(schedule: Schedule, looks: int) -> Iterator[StageLooks]:
    """Stages cut at the ends of the log: users are drawn anew for each part."""
    for stage in schedule.stages:
        inside = range((stage.first // looks + 1) * looks, stage.last, looks)
        for first, last in pairwise((stage.first, *inside, stage.last)):
            yield StageLooks(stage.share, first, last, shadow=stage.shadow)
