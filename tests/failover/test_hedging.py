"""Hedging after a quantile: the tail arithmetic, whose latency counts, and what is refused."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.decision import Asked, Send, decide
from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.health import Health
from llmops_cli.failover.hedging import Hedge, resolved
from llmops_cli.failover.incidents import Outages
from llmops_cli.failover.model import FailoverParameters, Pool
from llmops_cli.failover.play import Played, play
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.simulation import simulate
from llmops_cli.failover.world import Answer, World
from llmops_cli.failover.worth import Worth

Log = Callable[..., Requests]

HEDGED = "{name: hedged, backoff: {attempts: 1}, breaker: null, timeout_s: 80000, hedge_after: %s}"
HOME = "{name: a, provider: x, model: m}"
MEDIAN_S, P99_S = 1.0, 10.0
SPREAD = math.log(P99_S / MEDIAN_S) / NormalDist().inv_cdf(0.99)


def pool(backup: str, after: str = "p95", home: str = HOME) -> Pool:
    text = f"""
schema: llmops.failover/1
deployments:
  - {home}
  - {backup}
policies: [{HEDGED % after}]
"""
    began = np.datetime64("2026-01-05T10:00:00")
    return pool_from_yaml(text, began, 3600.0, source="pool.yaml")  # type: ignore[arg-type]


def hedges(known: Pool, requests: Requests) -> dict[str, Hedge]:
    _, found = resolved(known, known.lines, requests)
    return {item.deployment: item for item in found}


def drawn(n: int, seed: int) -> np.ndarray:
    return MEDIAN_S * np.exp(SPREAD * np.random.default_rng(seed).standard_normal(n))


def later_than(seconds: np.ndarray) -> np.ndarray:
    """P(T2 > t) of the log-normal law that the backup states."""
    below = [NormalDist().cdf(math.log(max(t, 1e-12) / MEDIAN_S) / SPREAD) for t in seconds]
    return 1 - np.array(below)


STATED = f"{{name: b, provider: y, model: n, latency: {{median_s: {MEDIAN_S}, p99_s: {P99_S}}}}}"


def run(known: Pool, requests: Requests, world: object = None) -> Played:
    (line,), _ = resolved(known, known.lines, requests)
    load, _ = requests.between(0.0, requests.period_s)
    met = world or World(
        known.chain, [m.manner for m in known.members], Outages((), known.chain), load, seed=3
    )
    return play(line.policy, known.chain, met, load, seed=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("after", "share"), [("p90", 0.90), ("p95", 0.95), ("p99", 0.99)])
def test_a_quantile_gives_the_tail_and_the_load_of_the_arithmetic(
    log: Log, after: str, share: float
) -> None:
    """1 - q more load, and P(T > t) = P(T1 > t) P(T2 > t - h), from the file to the attempts."""
    n = 20_000
    requests = log(drawn(n, 1), every_s=0.5)
    known = pool(STATED, after)
    wait = hedges(known, requests)["a"].after_s
    seen = run(known, requests)
    extra = sum(item.hedge for item in seen.attempts)
    assert extra == pytest.approx((1 - share) * n, abs=1)
    took = seen.ended_s - requests.arrival_s
    for t in (1.5 * wait, 2 * wait, 3 * wait):
        slow = int((requests.duration_s > t).sum())
        both = float(later_than(np.array([t - wait]))[0])
        observed = int((took > t + 1e-9).sum())
        assert observed == pytest.approx(slow * both, abs=4 * math.sqrt(slow * both) + 1)
    in_time = requests.duration_s <= wait
    assert took[in_time].tolist() == pytest.approx(requests.duration_s[in_time].tolist())


def test_slow_becomes_slow_squared(log: Log) -> None:
    """Reference: after p95, P(slow) becomes its square; the rescued wait h and a usual answer."""
    n, slow, usual_s, slow_s = 40_000, 0.04, 1.0, 20.0
    late = np.random.default_rng(5).random((2, n)) < slow
    requests = log(np.where(late[0], slow_s, usual_s))

    class TwoSpeeds:
        def answer(self, request: int, place: int, *_: float) -> Answer:
            return Answer(slow_s if late[place, request] else usual_s)

    seen = run(pool(STATED), requests, TwoSpeeds())
    took = np.round(seen.ended_s - requests.arrival_s, 9)
    assert sorted(set(took.tolist())) == [usual_s, 2 * usual_s, slow_s]
    both = float((took == slow_s).mean())
    assert both == pytest.approx(slow**2, abs=4 * math.sqrt(slow**2 / n))
    assert (took == 2 * usual_s).tolist() == (late[0] & ~late[1]).tolist()


def test_a_stated_latency_gives_its_own_quantile(log: Log) -> None:
    found = hedges(pool(STATED, "p99"), log(drawn(2000, 1)))["b"]
    assert found.after_s == pytest.approx(P99_S)
    assert (found.low_s, found.high_s, found.calls) == (found.after_s, found.after_s, None)


def test_only_calls_of_its_own_that_succeeded_count(log: Log) -> None:
    n = 900
    model = np.where(np.arange(n) % 3 == 0, "m", "other")
    measured = np.arange(n) % 2 == 0
    durations = 1.0 + np.arange(n)
    found = hedges(pool(STATED, "p90"), log(durations, model=model, measured=measured))["a"]
    own = durations[(model == "m") & measured]
    assert found.after_s == pytest.approx(np.quantile(own, 0.9))
    assert found.calls == len(own) == 150


def test_a_log_that_names_no_model_is_that_of_whom_the_last_policy_asks_first(log: Log) -> None:
    durations = drawn(500, 2)
    found = hedges(pool(STATED), log(durations, model=""))["a"]
    assert found.after_s == pytest.approx(np.quantile(durations, 0.95))


def test_a_stated_ratio_is_one_to_the_whole_log(log: Log) -> None:
    durations = drawn(500, 2)
    known = pool("{name: b, provider: y, model: n, latency_ratio: 1.5}")
    found = hedges(known, log(durations))["b"]
    assert found.after_s == pytest.approx(1.5 * np.quantile(durations, 0.95))


@pytest.mark.parametrize(
    ("home", "backup", "n", "who"),
    [
        (HOME, "{name: b, provider: y, model: n}", 500, "'b' has 0 logged"),
        ("{name: a, provider: x, model: z}", STATED, 500, "'a' has 0 logged"),
        (HOME, STATED, 15, "'a' has 15 logged"),
    ],
)
def test_borrowed_latency_tells_no_quantile(
    log: Log, home: str, backup: str, n: int, who: str
) -> None:
    with pytest.raises(LlmopsError) as caught:
        hedges(pool(backup, "p95", home), log(drawn(n, 2)))
    assert caught.value.slug == "failover-no-latency"
    assert who in caught.value.message


def test_the_interval_of_a_logged_quantile_covers_it(log: Log) -> None:
    truth = math.exp(SPREAD * NormalDist().inv_cdf(0.95))
    found = [hedges(pool(STATED), log(drawn(400, seed)))["a"] for seed in range(200)]
    inside = sum(item.low_s <= truth <= item.high_s for item in found)
    assert inside / 200 == pytest.approx(0.90, abs=0.07)


def test_each_deployment_has_its_own_wait(log: Log) -> None:
    known = pool("{name: b, provider: y, model: n, latency: {median_s: 2, p99_s: 7}}", "p99")
    (line,), _ = resolved(known, known.lines, log(drawn(2000, 1)))
    health = Health(line.policy, 2)
    waits = [line.policy.hedge_s(item) for item in known.chain]
    assert waits[1] == pytest.approx(7)
    for order, other in (((0, 1), 1), ((1, 0), 0)):
        step = decide(line.policy, known.chain, Asked(0.0, order), (), health, (0.0, 0.0))
        assert step == Send(order[0], hedge=other, hedge_after_s=waits[order[0]])


@pytest.mark.parametrize("value", ["p0", "p00", "p100", "95", "p95s", "0.95", "fast", "[1]"])
def test_what_is_no_quantile_is_refused(value: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        pool(STATED, value)
    assert (caught.value.slug, caught.value.field) == (
        "failover-invalid",
        "policies[0].hedge_after",
    )


def test_two_rules_for_one_wait_are_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        pool(STATED, "p95, hedge_after_s: 3")
    assert caught.value.field == "policies[0].hedge_after"
    with pytest.raises(LlmopsError) as caught:
        pool(STATED, "null, hedge_after_s: {c: 3}")
    assert caught.value.slug == "failover-unknown-deployment"


def test_every_chain_of_a_search_has_seconds(log: Log) -> None:
    known = pool(STATED + "\n  - {name: c, provider: z, model: k, error_rate: 0.1, "
                 "latency: {median_s: 3, p99_s: 5}}")  # fmt: skip
    requests = log(drawn(400, 1), tokens=0)
    given = FailoverParameters(most_requests=300, search=True)
    found = simulate(requests, known, Worth(None, None, None), given)
    assert len(found.results) == 15
    waits = {"a", "b", "c"}
    assert all(set(result.line.policy.hedge_after_s or ()) == waits for result in found.results)
