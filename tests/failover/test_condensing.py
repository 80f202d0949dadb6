"""Long stretches told from parts: near the whole, exact in what they stand for."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.failover.condensing import (
    WHOLE,
    Condensed,
    condensed,
    limits_of,
    played_requests,
)
from llmops_cli.failover.condensing_rule import EVERYTHING, Rule, rule_of
from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.play import play
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.report import report
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.simulation import simulate
from llmops_cli.failover.tally import Tally, tally
from llmops_cli.failover.world import Manner, World
from llmops_cli.failover.worth import Worth

Log = Callable[..., Requests]

RATE, BEGIN_S, LASTS_S = 20.0, 100.0, 1500.0
CHAIN = (
    Deployment(name="a", provider="p", model="m"),
    Deployment(name="b", provider="q", model="m"),
)
TIGHT = (CHAIN[0], replace(CHAIN[1], requests_per_minute=round(RATE * 40)))
SOMETIMES, NEVER = Manner(error_rate=0.004), Manner()
FULL = (Incident(start_s=BEGIN_S, duration_s=LASTS_S, provider="p"),)
MANY = (replace(FULL[0], form="brownout", share=0.8),)
HALF = (replace(FULL[0], form="brownout", share=0.5),)
SILENT = (replace(FULL[0], responds_s=math.inf),)
BOTH = (FULL[0], Incident(start_s=BEGIN_S + 900, duration_s=LASTS_S, provider="q"))
ALONE = FailoverPolicy(breaker=None)
SHARED = FailoverPolicy(breaker=Breaker(), timeout_s=20)
COUNTED = FailoverPolicy(breaker=Breaker(allowed_failures=2))
HEDGED = FailoverPolicy(breaker=None, hedge_after_s=1.0, backoff=Backoff(attempts=1))
CASES = {
    "retries": (ALONE, CHAIN, SOMETIMES, FULL),
    "a breaker by share": (SHARED, CHAIN, SOMETIMES, FULL),
    "a brown-out": (SHARED, CHAIN, SOMETIMES, MANY),
    "silence": (SHARED, CHAIN, NEVER, SILENT),
    "a breaker by number": (COUNTED, CHAIN, NEVER, FULL),
    "a budget": (replace(ALONE, retry_budget=0.1), CHAIN, SOMETIMES, FULL),
    "hedging": (HEDGED, CHAIN, SOMETIMES, FULL),
    "two at once": (SHARED, CHAIN, SOMETIMES, BOTH),
    "a limit that binds": (SHARED, TIGHT, SOMETIMES, FULL),
}


@pytest.fixture(scope="module")
def busy(log: Log) -> Requests:
    """An hour and a half at twenty a second, conversations of four."""
    n = round(5400 * RATE)
    draw = np.random.default_rng(2)
    found = log(draw.lognormal(0, 0.5, n), every_s=1 / RATE)
    return replace(found, conversation=draw.integers(0, n // 4, n))


def rule(policy: FailoverPolicy, chain: tuple[Deployment, ...], manner: Manner,
         incidents: tuple[Incident, ...]) -> Rule:  # fmt: skip
    busiest = round(60 * RATE)
    members = [(item, manner) for item in chain]
    return rule_of(policy, members, incidents, (busiest, 100 * busiest))


def told(requests: Requests, case: str, how: Rule) -> tuple[Tally, Condensed]:
    policy, chain, manner, incidents = CASES[case]
    end = max(item.end_s for item in incidents) + 330
    part = condensed(requests, incidents, BEGIN_S, end, how)
    manners = (manner, manner)
    outages = Outages(part.incidents, chain)
    world = World(limits_of(chain, part.every), manners, outages, part.load, seed=4)
    seen = play(policy, chain, world, part.load, seed=4)
    usd = np.tile([0.01, 0.02], (len(requests), 1))
    quality = np.tile([0.9, 0.8], (len(requests), 1))
    return tally(requests, Worth(usd, 1.5 * usd, quality), (0, 1), (seen, part), world), part


SLOW = {"hedging", "silence", "a budget", "a breaker by number", "two at once"}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=pytest.mark.slow if c in SLOW else ()) for c in CASES]
)
def test_parts_tell_what_the_whole_does(busy: Requests, case: str) -> None:
    """Lost, moved, paid and answered within 2 % of all requests; attempts within 3 %."""
    whole, every = told(busy, case, EVERYTHING)
    parts, part = told(busy, case, rule(*CASES[case]))
    assert every.whole
    assert not part.whole
    assert len(part.row) < 0.9 * len(every.row)
    n = whole["requests"]
    assert parts["requests"] == pytest.approx(n, rel=1e-9)
    assert parts["attempts"] == pytest.approx(whole["attempts"], rel=0.03)
    for name in ("lost", "away", "quality"):
        assert parts[name] == pytest.approx(whole[name], abs=0.02 * n), name
    assert parts["usd"] == pytest.approx(whole["usd"], rel=0.03)
    assert parts["plain_usd"] == pytest.approx(whole["plain_usd"], rel=1e-9)
    assert parts.played < len(part.row) + 1e-6
    assert whole.played == pytest.approx(n)


def test_a_short_stretch_is_played_as_it_is(busy: Requests) -> None:
    end = BEGIN_S + (WHOLE - 100) / RATE
    part = condensed(busy, FULL, BEGIN_S, end, rule(*CASES["retries"]))
    load, row = busy.between(BEGIN_S, end)
    assert part.whole
    assert part.load.arrivals_s == load.arrivals_s
    assert part.row.tolist() == row.tolist()
    assert part.incidents == FULL


def test_requests_stand_for_those_of_their_slice_by_the_log(busy: Requests) -> None:
    """Twice as busy in one half: so many weights there, however many were played."""
    thick = replace(
        busy, arrival_s=np.sort(np.concatenate([busy.arrival_s[::2] / 2, busy.arrival_s[1::2]]))
    )
    how = Rule(head_s=60, windows_s=60, tail_s=10, pace=5)
    part = condensed(thick, (), 0.0, 5000.0, how)
    assert part.weight.sum() == pytest.approx(thick.before(5000.0))
    assert len(part.row) < 0.1 * part.weight.sum()
    came = thick.arrival_s[part.row]
    early = part.weight[came < 2500].sum()
    assert early == pytest.approx(thick.before(2500.0), rel=0.05)


def test_changes_keep_their_place_among_the_requests(busy: Requests) -> None:
    how = Rule(head_s=60, windows_s=60, tail_s=30, pace=0)
    part = condensed(busy, BOTH, BEGIN_S, 4300.0, how)
    arrivals, came = np.array(part.load.arrivals_s), busy.arrival_s[part.row]
    assert (np.diff(arrivals) >= 0).all()
    for before, after in zip(BOTH, part.incidents, strict=True):
        inside = (came >= before.start_s) & (came < before.end_s)
        moved = (arrivals >= after.start_s) & (arrivals < after.end_s)
        assert inside.tolist() == moved.tolist()
        assert after.duration_s < before.duration_s


def test_a_conversation_is_taken_whole_or_not_at_all(busy: Requests) -> None:
    how = Rule(head_s=math.inf, windows_s=math.inf, tail_s=math.inf, pace=2.0)
    part = condensed(busy, FULL, 0.0, 5000.0, how)
    taken = set(busy.conversation[part.row].tolist())
    rows = np.flatnonzero(busy.arrival_s < 5000.0)
    every = np.isin(busy.conversation[rows], list(taken))
    assert sorted(part.row.tolist()) == rows[every].tolist()
    assert part.every == pytest.approx(RATE / 2.0, rel=0.01)


def test_what_must_not_be_left_out_is_not() -> None:
    counted = rule(COUNTED, CHAIN, SOMETIMES, FULL)
    assert counted.pace == math.inf
    assert rule(COUNTED, CHAIN, NEVER, FULL).pace < math.inf
    assert rule(COUNTED, CHAIN, NEVER, HALF).pace == math.inf
    assert rule(SHARED, TIGHT, NEVER, FULL).head_s == math.inf
    assert rule(SHARED, CHAIN, NEVER, HALF).head_s == math.inf
    assert rule(SHARED, CHAIN, NEVER, MANY).head_s < math.inf
    assert rule(ALONE, CHAIN, SOMETIMES, FULL).pace == 0.0
    never_shut = FailoverPolicy(breaker=Breaker(cooldown_s=0.0))
    assert rule(never_shut, CHAIN, NEVER, FULL).pace == math.inf


def test_limits_are_as_much_smaller_as_the_load() -> None:
    assert limits_of(TIGHT, 1.0) == list(TIGHT)
    assert [item.requests_per_minute for item in limits_of(TIGHT, 8.0)] == [None, 100]


def test_the_size_of_a_stretch_is_about_what_is_played(busy: Requests) -> None:
    for case in ("retries", "a breaker by share", "two at once"):
        how = rule(*CASES[case])
        incidents = CASES[case][3]
        end = max(item.end_s for item in incidents) + 330
        part = condensed(busy, incidents, BEGIN_S, end, how)
        count = busy.before(end) - busy.before(BEGIN_S)
        said = played_requests(count, end - BEGIN_S, 2 * len(incidents), how)
        assert said == pytest.approx(len(part.row), rel=0.35), case


def test_the_report_says_when_parts_told_the_whole(busy: Requests) -> None:
    text = """
schema: llmops.failover/1
deployments:
  - {name: a, provider: p, model: m, error_rate: 0.01}
  - {name: b, provider: q, model: n}
"""
    found = []
    for log in (busy, part_of(busy, 900)):
        pool = pool_from_yaml(text, log.began, log.period_s, source="pool.yaml")
        given = FailoverParameters(most_requests=300)
        seen = simulate(log, pool, Worth(None, None, None), given)
        shown = report(seen, given, inputs=(), findings=())
        slugs = {item.slug for item in shown.findings}
        explained = {item.of for item in shown.explanations}
        found.append((seen.condensed, "failover-condensed" in slugs, "long stretches" in explained))
    # The whole log without each provider: one stretch, told twice.
    assert found == [(1, True, True), (0, False, False)]


def part_of(log: Requests, n: int) -> Requests:
    names = ("arrival_s", "duration_s", "first_s", "tokens", "task", "conversation", "error",
             "model", "measured")  # fmt: skip
    return replace(log, **{name: getattr(log, name)[:n] for name in names})
