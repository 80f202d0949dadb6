"""The whole answer before anybody words it: every policy on the log, and over years of outages."""

from dataclasses import dataclass, field, replace
from itertools import permutations

import numpy as np

from llmops_cli.failover.condensing import WHOLE, condensed, limits_of, played_requests
from llmops_cli.failover.condensing_rule import EVERYTHING, Rule, rule_of
from llmops_cli.failover.episodes import Episode, episodes_of, settling_s
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.hedging import Hedge, resolved
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.model import FailoverParameters, Line, Pool, usage_error
from llmops_cli.failover.play import play
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.sampling import YEAR_S, draw_year
from llmops_cli.failover.tally import Tally, added, tally
from llmops_cli.failover.world import World
from llmops_cli.failover.worth import Worth
from llmops_cli.failover.years import Stratum, Years, drawn, years_of

__all__ = ["Loss", "Result", "Simulation", "simulate"]

_QUIET = 3
"""One request in so many is played to tell what is lost when nothing is wrong."""

_WINDOWS = 20
"""Of a long log so many stretches, evenly spaced, tell it."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What one policy does.

    Attributes:
        line: the policy and its chain.
        quiet: the log played, a short one again and again, with nothing wrong but the
            deployments' usual errors.
        incidents: the log played once with the incidents named in the file; None without any.
        years: the sampled years; None where no outages are given.
    """

    line: Line
    quiet: Tally
    incidents: Tally | None
    years: Years | None


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """The whole log without one provider, under the last policy.

    Attributes:
        provider: that is gone.
        share: of requests that prefer it.
        tally: what becomes of them all.
    """

    provider: str
    share: float
    tally: Tally


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """The answer.

    Attributes:
        requests: the log.
        pool: the deployments.
        worth: prices and quality.
        results: per policy, in the order of the file, then those of the search.
        named: how many of them the file, or the usual list, names.
        losses: per provider.
        played: episodes played, of so many sampled.
        hedges: when an answer is late, for policies that say it as a quantile.
        condensed: stretches, of those played, that were told from parts of them.
    """

    requests: Requests
    pool: Pool
    worth: Worth
    results: tuple[Result, ...]
    named: int
    losses: tuple[Loss, ...]
    played: tuple[int, int]
    hedges: tuple[Hedge, ...] = ()
    condensed: int = 0

    @property
    def per_year(self) -> float:
        """Requests a year, at the pace of the log."""
        return len(self.requests) * YEAR_S / self.requests.period_s


def simulate(requests: Requests, pool: Pool, worth: Worth, given: FailoverParameters) -> Simulation:
    """Play every policy.

    Args:
        requests: the log.
        pool: deployments, policies, incidents and outages.
        worth: of every request at every deployment.
        given: how much is played.

    Raises:
        LlmopsError: ``failover-nothing-happens`` where nothing can fail; ``failover-no-outages``
            where a gate on availability needs outages; ``failover-no-latency``.
    """
    _check(pool, given)
    named = len(pool.lines)
    every = pool.lines + (_searched(pool) if given.search else ())
    lines, hedges = resolved(pool, every, requests)
    pool = replace(pool, lines=lines[:named])
    game = _Game(requests, pool, worth, given.most_requests, given.seed, _busiest(requests, pool))
    strata = game.strata(lines, given)
    last = pool.lines[-1]
    return Simulation(
        requests=requests,
        pool=pool,
        worth=worth,
        results=tuple(game.result(line, strata) for line in lines),
        named=named,
        losses=tuple(game.losses(last)),
        played=(
            sum(len(item.chosen) for item in strata),
            sum(int(item.counts.sum()) for item in strata),
        ),
        hedges=hedges,
        condensed=len(game.condensed),
    )


def _check(pool: Pool, given: FailoverParameters) -> None:
    usual = any(member.manner.error_rate for member in pool.members)
    if not (pool.outages or pool.incidents or usual):
        raise usage_error(
            "failover-nothing-happens",
            "nothing fails: there are no incidents, no outages and no error rates",
            "name outages in the failover file, or use --own-episodes or --published-outages",
        )
    if given.min_availability is not None and not pool.outages:
        raise usage_error(
            "failover-no-outages",
            "availability is held against years of outages, and none are given",
            "outages in the failover file, or --published-outages",
        )


def _searched(pool: Pool) -> tuple[Line, ...]:
    last = pool.lines[-1]
    orders = [
        order
        for length in range(1, min(len(pool.members), 3) + 1)
        for order in permutations(range(len(pool.members)), length)
    ]
    names = [member.deployment.name for member in pool.members]
    same = (last.policy, last.hedge_share)
    taken = {line.places for line in pool.lines if (line.policy, line.hedge_share) == same}
    return tuple(
        replace(
            last,
            policy=replace(last.policy, name=" → ".join(names[place] for place in order)),
            places=order,
        )
        for order in orders
        if order not in taken
    )


def _busiest(requests: Requests, pool: Pool) -> tuple[int, int]:
    found = headroom(requests, pool)[0]
    return found.busiest_requests, found.busiest_tokens


@dataclass(frozen=True, slots=True, eq=False)
class _Game:
    requests: Requests
    pool: Pool
    worth: Worth
    most: int
    seed: int
    busiest: tuple[int, int]
    condensed: set[tuple[float, float]] = field(default_factory=set[tuple[float, float]])

    def strata(self, lines: tuple[Line, ...], given: FailoverParameters) -> tuple[Stratum, ...]:
        """The episodes of sampled years, and those of them that are played."""
        pool = self.pool
        if not pool.outages:
            return ()
        generator = np.random.default_rng(given.seed)
        settle = max(settling_s(line.policy) for line in lines)
        years = [
            episodes_of(draw_year(pool.outages, pool.common, generator), pool.chain, settle)
            for _ in range(given.years)
        ]
        return drawn(years, self.most, lambda episode: self._size(episode, lines), generator)

    def _size(self, episode: Episode, lines: tuple[Line, ...]) -> float:
        """Requests that are played of an episode, under the policy that needs most."""
        length = episode.end_s - episode.start_s
        count = length * len(self.requests) / self.requests.period_s
        if count <= WHOLE:
            return max(1.0, count)
        pieces = 2 * len(episode.incidents)
        rules = [self._rule(line, episode.incidents) for line in lines]
        return max(played_requests(count, length, pieces, rule) for rule in rules)

    def _rule(self, line: Line, incidents: tuple[Incident, ...]) -> Rule:
        members = [self.pool.members[place] for place in line.places]
        known = [(member.deployment, member.manner) for member in members]
        return rule_of(line.policy, known, incidents, self.busiest)

    def result(self, line: Line, strata: tuple[Stratum, ...]) -> Result:
        period = self.requests.period_s
        own = self.pool.incidents
        return Result(
            line=line,
            quiet=self._quiet(line, period),
            incidents=self._stretch(line, own, 0.0, period) if own else None,
            years=years_of(strata, lambda item: self._episode(line, item)) if strata else None,
        )

    def _quiet(self, line: Line, period_s: float) -> Tally:
        rounds = max(1, self.most // _QUIET) / len(self.requests)
        if rounds >= 1 or len(self.requests) < _WINDOWS**2:
            return self._stretch(line, (), 0.0, max(1, int(rounds)) * period_s, whole=True)
        step = period_s / _WINDOWS
        parts = [
            self._stretch(line, (), at * step, at * step + rounds * step, whole=True)
            for at in range(_WINDOWS)
        ]
        return added(parts)

    def losses(self, line: Line) -> list[Loss]:
        chain = [self.pool.chain[place] for place in line.places]
        found: list[Loss] = []
        for provider in sorted({item.provider for item in chain}):
            gone = Incident(start_s=0.0, duration_s=float("inf"), provider=provider)
            seen = self._stretch(line, (gone,), 0.0, self.requests.period_s)
            weight = sum(item.weight for item in chain)
            own = sum(item.weight for item in chain if item.provider == provider)
            share = own / weight if weight else float(chain[0].provider == provider)
            found.append(Loss(provider, share, seen))
        return found

    def _episode(self, line: Line, episode: Episode) -> Tally:
        return self._stretch(line, episode.incidents, episode.start_s, episode.end_s)

    def _stretch(
        self,
        line: Line,
        incidents: tuple[Incident, ...],
        low_s: float,
        high_s: float,
        *,
        whole: bool = False,
    ) -> Tally:
        rule = EVERYTHING if whole else self._rule(line, incidents)
        part = condensed(self.requests, incidents, low_s, high_s, rule)
        if not part.whole:
            self.condensed.add((low_s, high_s))
        chain = [self.pool.chain[place] for place in line.places]
        manners = [self.pool.members[place].manner for place in line.places]
        outages = Outages(part.incidents, chain)
        world = World(limits_of(chain, part.every), manners, outages, part.load, seed=self.seed)
        played = play(line.policy, chain, world, part.load, seed=self.seed)
        return tally(self.requests, self.worth, line.places, (played, part), world)
