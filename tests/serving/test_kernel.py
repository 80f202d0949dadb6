"""The compiled loop does what the plain-Python fleet does: every event, every policy."""

import numpy as np
from hypothesis import given, settings

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import EventKind, Events, Outcome, Policy
from llmops_cli.serving.simulation import simulate

from .fleets import AFFINE, CONSTANT, POLYNOMIAL, ROOFLINE, cases
from .reference import Fleet

Case = tuple[RequestTrace, Policy, int]


def happenings(events: Events) -> list[tuple[float, int, int, int, int]]:
    rows = zip(
        events.time_s.tolist(),
        events.kind.tolist(),
        events.replica.tolist(),
        events.request.tolist(),
        events.value.tolist(),
        strict=True,
    )
    return [row for row in rows if row[1] != EventKind.ITERATION]


def steps_of(events: Events, replica: int) -> list[tuple[int, int, int]]:
    """Prompt tokens, decoding sequences and blocks of each single iteration."""
    chosen = (events.kind == EventKind.ITERATION) & (events.replica == replica)
    rows = zip(
        events.value[chosen].tolist(),
        events.prefill_tokens[chosen].tolist(),
        events.decoding[chosen].tolist(),
        events.blocks[chosen].tolist(),
        strict=True,
    )
    return [step for n, *step in map(list, rows) for _ in range(n)]


def assert_same(outcome: Outcome, fleet: Fleet, tolerance: float) -> None:
    assert outcome.events is not None
    found, expected = happenings(outcome.events), fleet.events
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    np.testing.assert_allclose(
        [row[0] for row in found], [row[0] for row in expected], rtol=tolerance, atol=0
    )
    for replica in fleet.replicas:
        mine = [list(step[2:]) for step in fleet.steps if step[1] == replica.number]
        assert steps_of(outcome.events, replica.number) == mine


def assert_same_results(outcome: Outcome, fleet: Fleet, tolerance: float) -> None:
    def compare(found: np.ndarray, expected: list[float], atol: float = 0.0) -> None:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=atol)

    requests, replicas = fleet.requests, fleet.replicas
    compare(outcome.arrival_s, [r.arrival for r in requests])
    compare(outcome.scheduled_s, [r.scheduled for r in requests])
    compare(outcome.first_token_s, [r.first for r in requests])
    compare(outcome.finish_s, [r.finish for r in requests])
    compare(outcome.longest_gap_s, [r.gap for r in requests], atol=1e-12)
    assert outcome.replica.tolist() == [r.replica for r in requests]
    assert outcome.decode_replica.tolist() == [r.decode_replica for r in requests]
    assert outcome.hit_tokens.tolist() == [r.hit for r in requests]
    assert outcome.second_tier_tokens.tolist() == [r.tier_hit for r in requests]
    assert outcome.preemptions.tolist() == [r.preemptions for r in requests]
    compare(outcome.busy_s, [r.busy for r in replicas], atol=1e-12)
    assert outcome.iterations.tolist() == [r.iterations for r in replicas]
    assert outcome.computed_tokens.tolist() == [r.computed for r in replicas]
    assert outcome.peak_blocks.tolist() == [r.peak for r in replicas]


def assert_kernel_is_reference(case: Case, tolerance: float, *, stepped: bool) -> None:
    trace, policy, seed = case
    outcome = simulate(trace, policy, seed=seed, record=True, stepped=stepped)
    fleet = Fleet(trace, policy, seed).run()
    assert_same(outcome, fleet, tolerance)
    assert_same_results(outcome, fleet, max(tolerance, 1e-12))


@settings(max_examples=100)
@given(cases(AFFINE, CONSTANT, ROOFLINE, POLYNOMIAL))
def test_every_event_is_the_references_to_the_last_bit_when_stepped(case: Case) -> None:
    assert_kernel_is_reference(case, 0.0, stepped=True)


@settings(max_examples=100)
@given(cases(ROOFLINE, POLYNOMIAL))
def test_every_event_is_the_references_when_decoding_is_skipped_ahead(case: Case) -> None:
    assert_kernel_is_reference(case, 1e-9, stepped=False)


@settings(max_examples=100)
@given(cases(AFFINE, CONSTANT))
def test_skipping_ahead_is_exact_where_sums_are_so_that_ties_are_kept(case: Case) -> None:
    assert_kernel_is_reference(case, 0.0, stepped=False)
