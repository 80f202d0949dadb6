"""The whole simulation against what can be worked out by hand, within its own interval."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.figures import figures
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.sampling import YEAR_S
from llmops_cli.failover.simulation import simulate
from llmops_cli.failover.worth import Worth

Log = Callable[..., Requests]

PER_YEAR = {"x": 300, "y": 200}
MEAN_S = {"x": 10_800.0, "y": 7_200.0}
POOL = """
schema: llmops.failover/1
deployments:
  - {{name: a, provider: x, model: m}}
  - {{name: b, provider: y, model: n}}
policies:
  - {{name: first, deployments: [a], backoff: {{attempts: 1}}, breaker: null, timeout_s: 5}}
  - {{name: chain, backoff: {{attempts: 1}}, breaker: null, timeout_s: 5}}
outages:
  - {{provider: x, per_year: 300, median_minutes: 120, mean_minutes: 180, responds_s: 0}}
  - {{provider: y, per_year: 200, median_minutes: 90, mean_minutes: 120, responds_s: 0}}
common_share: {common}
"""


def down(per_year: float, mean_s: float) -> float:
    """Share of time in which outages that come at random are not none (M/G/infinity)."""
    return 1 - math.exp(-per_year * mean_s / YEAR_S)


def by_hand(common: float) -> tuple[float, float]:
    """Availability of the first alone and of the chain: own and common outages are four states."""
    shared = common * min(PER_YEAR.values())
    own = {name: down(PER_YEAR[name] - shared, MEAN_S[name]) for name in PER_YEAR}
    # A common outage lasts as long as one of the first provider.
    together = down(shared, MEAN_S["x"])
    alone = 1 - (1 - own["x"]) * (1 - together)
    return 1 - alone, 1 - (together + (1 - together) * own["x"] * own["y"])


@pytest.mark.parametrize("common", [0.0, 0.1, 0.5], ids=["independent", "a tenth common", "half"])
def test_availability_is_that_of_the_closed_form(log: Log, common: float) -> None:
    """Independent: 1 - q_a q_b; with a common cause: the Markov calculation. Nothing is lost but
    by outages, and a failover costs nothing."""
    requests = log(np.full(400, 0.1), every_s=600.0, tokens=0)
    text = POOL.format(common=common)
    pool = pool_from_yaml(text, pd.Timestamp("2026-01-05T10:00:00Z"), 9e9, source="pool.yaml")
    given = FailoverParameters(years=60, most_requests=15_000)
    found = simulate(requests, pool, Worth(None, None, None), given)
    for result, truth in zip(found.results, by_hand(common), strict=True):
        own = figures(found, result).availability
        half = (own.high - own.low) / 2
        # The interval holds with 90 %: in two of its widths lies all but one in a thousand.
        assert own.value == pytest.approx(truth, abs=2 * half)
        assert half < 0.25 * (1 - truth) + 1e-4


def test_a_second_provider_squares_what_is_lost(log: Log) -> None:
    """Reference: 99.28 % and 99.05 % make 99.9932 %, 36 minutes a year, if independent."""
    first, second = 0.9928, 0.9905
    both = 1 - (1 - first) * (1 - second)
    assert both == pytest.approx(0.999932, abs=5e-7)
    assert (1 - both) * YEAR_S / 60 == pytest.approx(36, abs=0.1)
    manners = [f"{{name: {n}, provider: {n}, model: m, error_rate: {1 - each:.4f}}}"
               for n, each in (("a", first), ("b", second))]  # fmt: skip
    policy = "{backoff: {attempts: 1}, breaker: null}"
    text = f"schema: llmops.failover/1\ndeployments: [{', '.join(manners)}]\npolicies: [{policy}]"
    requests = log(np.full(60_000, 0.1), tokens=0)
    pool = pool_from_yaml(text, pd.Timestamp("2026-01-05T10:00:00Z"), 9e9, source="pool.yaml")
    given = FailoverParameters(most_requests=180_000)
    found = simulate(requests, pool, Worth(None, None, None), given)
    lost, n = found.results[0].quiet["lost"], found.results[0].quiet["requests"]
    assert lost == pytest.approx(n * (1 - both), abs=4 * math.sqrt(n * (1 - both)))
