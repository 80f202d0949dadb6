"""Nothing is lost or made up in a fleet: what every outcome must satisfy, whatever the policy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given

from llmops_cli.errors import LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import (
    Batching,
    EventKind,
    Eviction,
    Memory,
    Policy,
    Pools,
    Router,
    Routing,
    Scheduler,
    SecondTier,
)
from llmops_cli.serving.simulation import simulate

from .fleets import AFFINE, BLOCK_TOKENS, CONSTANT, POLYNOMIAL, ROOFLINE, cases, trace_of

Case = tuple[RequestTrace, Policy, int]


def policy_of(blocks: int = 64, **given_fields: object) -> Policy:
    memory = Memory(blocks=blocks, block_tokens=BLOCK_TOKENS)
    fields = {"name": "one", "replicas": 1, "step_time": CONSTANT, "memory": memory}
    return Policy(**{**fields, **given_fields})


@given(cases(AFFINE, ROOFLINE, POLYNOMIAL))
def test_every_request_is_admitted_answered_and_finished_once_and_in_that_order(case: Case) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed, record=True)
    events = outcome.events
    assert events is not None
    for kind in (EventKind.ARRIVAL, EventKind.FIRST_TOKEN, EventKind.FINISH):
        assert sorted(events.request[events.kind == kind].tolist()) == list(range(len(trace)))
    assert (outcome.arrival_s <= outcome.scheduled_s).all()
    assert (outcome.scheduled_s < outcome.first_token_s).all()
    assert (outcome.first_token_s <= outcome.finish_s).all()
    alone = trace.output_tokens == 1
    assert (outcome.first_token_s == outcome.finish_s)[alone].all()
    assert (outcome.longest_gap_s == 0)[alone].all()


@given(cases(AFFINE, ROOFLINE, POLYNOMIAL))
def test_tokens_out_are_tokens_asked_for(case: Case) -> None:
    trace, policy, seed = case
    assume(policy.scheduler.batching != Batching.STATIC)  # there, finished ones are padding
    events = simulate(trace, policy, seed=seed, record=True).events
    assert events is not None
    iterations = events.kind == EventKind.ITERATION
    stepped = (events.value * events.decoding)[iterations].sum()
    prefills = (events.kind == EventKind.FIRST_TOKEN).sum()
    again = events.kind == EventKind.PREEMPTION
    resumed = (events.value[again] > 0).sum()  # their next token comes with their next prefill
    assert stepped + prefills + resumed == trace.output_tokens.sum()


@given(cases(AFFINE, ROOFLINE, POLYNOMIAL))
def test_prompts_are_computed_once_but_for_hits_and_preemptions(case: Case) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed)
    found = outcome.hit_tokens + outcome.second_tier_tokens
    assert (found < trace.input_tokens).all()
    assert (found % BLOCK_TOKENS == 0).all()
    least = (trace.input_tokens - found).sum()
    assert outcome.computed_tokens.sum() >= least
    if outcome.preemptions.sum() == 0:
        assert outcome.computed_tokens.sum() == least


@given(cases(AFFINE, ROOFLINE, POLYNOMIAL))
def test_memory_in_use_never_exceeds_the_capacity(case: Case) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed, record=True)
    assert outcome.events is not None
    assert outcome.events.blocks.max() <= policy.memory.blocks
    assert (outcome.peak_blocks <= policy.memory.blocks).all()


@given(cases(AFFINE, ROOFLINE, POLYNOMIAL))
def test_no_replica_idles_while_requests_wait_for_it(case: Case) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed, record=True)
    events = outcome.events
    assert events is not None
    for r in range(policy.replicas):
        mine = (events.kind == EventKind.ITERATION) & (events.replica == r)
        starts, ends = events.time_s[mine], (events.time_s + events.duration_s)[mine]
        first = outcome.arrival_s[outcome.replica == r]
        for request in np.flatnonzero(outcome.replica == r):
            came, began = outcome.arrival_s[request], outcome.scheduled_s[request]
            working = np.clip(np.minimum(ends, began) - np.maximum(starts, came), 0, None).sum()
            assert working == pytest.approx(began - came, abs=1e-9)
        assert len(first) == 0 or len(starts) > 0 or policy.pools is not None


@given(cases(ROOFLINE))
def test_no_first_token_comes_before_the_roofline_allows(case: Case) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed)
    c = policy.step_time.coefficients
    fresh = trace.input_tokens - outcome.hit_tokens - outcome.second_tier_tokens
    floor = np.maximum(c[0] * fresh / c[4], c[2] / c[5]) + c[6]
    assert (outcome.first_token_s - outcome.arrival_s >= floor * (1 - 1e-9)).all()


@given(cases(AFFINE))
def test_one_replica_makes_the_same_of_every_router(case: Case) -> None:
    trace, policy, seed = case
    one = replace(policy, replicas=1, pools=None)
    expected = simulate(trace, one, seed=seed)
    for routing in Routing:
        outcome = simulate(trace, replace(one, router=Router(routing=routing)), seed=seed)
        assert (outcome.finish_s == expected.finish_s).all()


@given(cases(CONSTANT))
def test_one_at_a_time_no_eviction_hits_more_than_the_clairvoyant(case: Case) -> None:
    trace, policy, _ = case
    assume(trace.block_tokens > 0)
    apart = replace_arrivals(trace)
    hits = {}
    for eviction in Eviction:
        memory = Memory(blocks=policy.memory.blocks, eviction=eviction)
        outcome = simulate(apart, policy_of(memory=memory))
        hits[eviction] = int(outcome.hit_tokens.sum())
    assert max(hits.values()) == hits[Eviction.CLAIRVOYANT]


def replace_arrivals(trace: RequestTrace) -> RequestTrace:
    return replace(trace, arrival_s=np.arange(len(trace)) * 1e4)


@pytest.mark.parametrize(("rate", "poisson_service"), [(0.5, False), (0.8, False), (0.7, True)])
def test_a_server_of_one_waits_as_queueing_theory_says(
    rate: float, *, poisson_service: bool
) -> None:
    """M/D/1 and M/M/1: mean wait rho s (1 + cv^2) / (2 (1 - rho)), Pollaczek and Khinchine."""
    draw = np.random.default_rng(3)
    n = 60_000
    arrivals = np.cumsum(draw.exponential(1.0 / rate, n))
    service = draw.exponential(1.0, n) if poisson_service else np.ones(n)
    tokens = np.maximum(1, np.rint(service * 2000)).astype(np.int64)
    trace = trace_of((arrivals - arrivals[0]).tolist(), tokens.tolist(), [1] * n)
    step = replace(AFFINE, coefficients=np.array([0.0, 1 / 2000, 0.0, 0.0, 0.0]))
    policy = policy_of(
        blocks=1 << 14, step_time=step, scheduler=Scheduler(max_batch=1, token_budget=1 << 20)
    )
    outcome = simulate(trace, policy)
    waited = (outcome.scheduled_s - outcome.arrival_s).mean()
    squares = 2.0 if poisson_service else 1.0
    assert waited == pytest.approx(rate * squares / (2 * (1 - rate)), rel=0.06)


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    n = 200
    trace = trace_of([float(i) for i in range(n)], [9] * n, [3] * n)
    policy = policy_of(replicas=3, router=Router(routing=Routing.RANDOM))
    one, again, other = (simulate(trace, policy, seed=seed) for seed in (1, 1, 2))
    assert (one.replica == again.replica).all()
    assert (one.replica != other.replica).any()
    assert np.bincount(one.replica).min() > n / 6


def test_events_beyond_the_room_of_the_first_try_are_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = trace_of([0.0, 0.5, 3.0], [9, 7, 22], [3, 5, 2])
    whole = simulate(trace, policy_of(), record=True).events
    monkeypatch.setattr("llmops_cli.serving.simulation.EVENTS_PER_REQUEST", 1)
    found = simulate(trace, policy_of(), record=True).events
    assert whole is not None
    assert found is not None
    assert (found.kind == whole.kind).all()
    assert (found.time_s == whole.time_s).all()


POOLS = Pools(decode_replicas=1, kv_bytes_per_token=1.0, bytes_per_s=1.0)
TIER = SecondTier(blocks=1, bytes_per_s=1.0, kv_bytes_per_token=1.0)


@pytest.mark.parametrize(
    ("policy", "slug", "said"),
    [
        (policy_of(replicas=0), "serving-size", "replicas is 0"),
        (policy_of(scheduler=Scheduler(max_batch=0)), "serving-size", "max_batch is 0"),
        (policy_of(memory=Memory(blocks=0)), "serving-size", "blocks is 0"),
        (policy_of(pools=POOLS), "serving-pools", "1 of 1 replicas decode"),
        (policy_of(scheduler=Scheduler(token_budget=8, max_batch=9)), "serving-budget", "8 tokens"),
        (policy_of(router=Router(load_factor=1.0)), "serving-rate", "load_factor is 1"),
        (policy_of(think_s=-1.0), "serving-rate", "think_s is -1"),
        (policy_of(think_s=float("nan")), "serving-rate", "think_s is nan"),
        (
            policy_of(replicas=2, pools=replace(POOLS, bytes_per_s=0.0)),
            "serving-rate",
            "between the pools is 0",
        ),
        (
            policy_of(memory=Memory(blocks=9, second_tier=replace(TIER, bytes_per_s=0.0))),
            "serving-rate",
            "second tier is 0",
        ),
        (policy_of(memory=Memory(blocks=9, block_tokens=16)), "serving-block-size", "of 16 tokens"),
        (policy_of(blocks=5), "serving-capacity", "request 1 needs 6 blocks of 4 tokens"),
    ],
)
def test_contradictions_are_refused_by_name(policy: Policy, slug: str, said: str) -> None:
    trace = trace_of([0.0], [20], [2], [[0, 1, 2, 3, 4]])
    with pytest.raises(LlmopsError, match=said) as refused:
        simulate(trace, policy)
    assert refused.value.slug == slug
