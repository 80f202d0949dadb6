"""LB2: the closed form on runs of visits, and its two corners, visibility and prices per call."""

from collections.abc import Callable

import numpy as np
import pytest

from llmops_cli.cache.bounds import clairvoyant_usd
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import CallsTable

Build = Callable[..., CallsTable]
Trace = Callable[..., CacheTrace]

FRESH, READ, WRITE = 1.0, 0.1, 1.25


def least(trace: CacheTrace, life_s: float = 300, write: float = WRITE) -> float:
    prices = np.tile([FRESH, READ, write, 2.0, 0.0], (trace.calls, 1))
    return float(clairvoyant_usd(trace, prices, life_us=int(life_s * 1e6), write=2).sum())


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0], 1.0),
        ([0, 300], WRITE + READ),
        ([0, 301], 2.0),
        ([0, 100, 200], WRITE + 2 * READ),
        ([0, 100, 1000, 1100], 2 * (WRITE + READ)),
        ([0, 1000, 1100], 1 + WRITE + READ),
    ],
)
def test_runs_of_visits_cost_a_write_and_reads(
    log: Build, traced: Trace, times: list[float], expected: float
) -> None:
    trace = traced(log(*({"at": at, "blocks": [("p", 1000)]} for at in times)))
    assert least(trace) == pytest.approx(1000 * expected)


def test_every_prefix_is_decided_alone(log: Build, traced: Trace) -> None:
    shared, own = ("shared", 1000), 50
    calls = ({"at": 10 * n, "blocks": [shared, (f"own {n}", own)]} for n in range(5))
    assert least(traced(log(*calls))) == pytest.approx(1000 * (WRITE + 4 * READ) + 5 * own)


def test_a_write_that_never_pays_is_not_made(log: Build, traced: Trace) -> None:
    trace = traced(log(*({"at": at, "blocks": [("p", 1000)]} for at in (0, 9))))
    assert least(trace, write=2.0) == pytest.approx(2000)


@pytest.mark.parametrize(
    ("first_token", "expected"), [(0.0, WRITE + 2 * READ), (5.0, WRITE + 1 + READ), (90.0, 3.0)]
)
def test_r9_visits_before_the_response_begins_are_not_reads(
    log: Build, traced: Trace, first_token: float, expected: float
) -> None:
    calls = ({"at": at, "blocks": [("p", 1000)], "ttft_s": first_token} for at in (0, 1, 60))
    assert least(traced(log(*calls))) == pytest.approx(1000 * expected)


def test_the_quickest_writer_of_a_burst_is_chosen(log: Build, traced: Trace) -> None:
    waits = [50.0, 0.5, 50.0, 50.0, 50.0]
    calls = ({"at": at, "blocks": [("p", 1000)], "ttft_s": w} for at, w in enumerate(waits))
    assert least(traced(log(*calls))) == pytest.approx(1000 * (1 + WRITE + 3 * READ))


def test_each_call_pays_its_own_prices(log: Build, traced: Trace) -> None:
    trace = traced(log(*({"at": at, "blocks": [("p", 1000)]} for at in (0, 9))))
    prices = np.array([[1.0, 0.1, 1.25, 2.0, 0.0], [10.0, 1.0, 12.5, 20.0, 0.0]])
    usd = clairvoyant_usd(trace, prices, life_us=300_000_000, write=2)
    assert usd.sum() == pytest.approx(1000 * (1.25 + 1.0))
