"""Sampled years: how much of them is down, alone and together, and what the episodes add up to."""

import math

import numpy as np
import pytest

from llmops_cli.failover.episodes import episodes_of, settling_s
from llmops_cli.failover.figures import lost_in_a_year
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.failover.sampling import YEAR_S, Outage, draw_year
from llmops_cli.failover.tally import SUMS, Tally
from llmops_cli.failover.years import Stratum, Years, drawn

CHAIN = (
    Deployment(name="a", provider="x", model="m", region="eu"),
    Deployment(name="b", provider="y", model="m", region="us"),
)
X = Outage(provider="x", per_year=300, median_s=7200, mean_s=10_800)
Y = Outage(provider="y", per_year=200, median_s=3600, mean_s=14_400)


def down_shares(common: float, years: int) -> np.ndarray:
    """Share of time that the first, the second and both are down."""
    generator = np.random.default_rng(7)
    found = []
    for _ in range(years):
        outages = Outages(draw_year((X, Y), common, generator), CHAIN)
        moments = (np.arange(4000) + generator.uniform(0, 1, 4000)) * YEAR_S / 4000
        down = np.array([[outages.at(p, t) is not None for p in (0, 1)] for t in moments.tolist()])
        found.append([*down.mean(axis=0), down.all(axis=1).mean()])
    return np.mean(found, axis=0)


def busy(per_year: float, mean_s: float) -> float:
    """Share of time that an M/G/infinity system of outages is not empty."""
    return 1 - math.exp(-per_year * mean_s / YEAR_S)


def test_independent_outages_are_down_together_as_often_as_the_product() -> None:
    first, second, both = down_shares(0.0, 12)
    assert first == pytest.approx(busy(300, 10_800), rel=0.06)
    assert second == pytest.approx(busy(200, 14_400), rel=0.1)
    assert both == pytest.approx(busy(300, 10_800) * busy(200, 14_400), rel=0.15)


def test_common_outages_follow_the_markov_calculation() -> None:
    """Own outages of each, and common ones, are independent of each other: four states."""
    common = 0.4
    shared = common * 200
    first, _, both = down_shares(common, 12)
    own_x, own_y = busy(300 - shared, 10_800), busy(200 - shared, 14_400)
    # A common outage has the length of the first provider's.
    together = busy(shared, 10_800)
    assert first == pytest.approx(1 - (1 - own_x) * (1 - together), rel=0.06)
    assert both == pytest.approx(together + (1 - together) * own_x * own_y, rel=0.1)


def test_lengths_have_the_median_and_the_mean_they_are_given() -> None:
    generator = np.random.default_rng(3)
    lengths = [i.duration_s for _ in range(60) for i in draw_year((Y,), 0.0, generator)]
    assert float(np.median(lengths)) == pytest.approx(3600, rel=0.05)
    assert float(np.mean(lengths)) == pytest.approx(14_400, rel=0.15)


def test_a_region_is_down_for_all_who_are_in_it() -> None:
    outages = Outages((Incident(start_s=0, duration_s=9, region="us"),), CHAIN)
    assert outages.at(0, 1.0) is None
    assert outages.at(1, 1.0) is not None
    assert outages.at(1, 9.0) is None
    assert outages.at(1, -1.0) is None


def test_of_overlapping_incidents_the_worst_holds() -> None:
    brown = Incident(start_s=0, duration_s=10, form="brownout", share=0.3)
    full = Incident(start_s=4, duration_s=2)
    slow = Incident(start_s=8, duration_s=10, form="slow", slower=5)
    outages = Outages((brown, full, slow), CHAIN)
    seen = [outages.at(0, moment) for moment in (1.0, 5.0, 7.0, 9.0, 12.0, 18.0)]
    assert seen == [brown, full, brown, brown, slow, None]


def test_episodes_join_what_a_client_has_not_forgotten() -> None:
    incidents = (
        Incident(start_s=0, duration_s=10, provider="x"),
        Incident(start_s=15, duration_s=10, provider="y"),
        Incident(start_s=100, duration_s=10, provider="z"),
        Incident(start_s=200, duration_s=10, provider="x"),
    )
    found = episodes_of(incidents, CHAIN, 6)
    assert [(item.start_s, item.end_s) for item in found] == [(0, 31), (200, 216)]
    assert [item.several for item in found] == [False, False]
    touching = episodes_of(
        (incidents[0], Incident(start_s=9, duration_s=1, provider="y")), CHAIN, 6
    )
    assert touching[0].several


def test_settling_covers_every_wait_a_policy_may_make() -> None:
    policy = FailoverPolicy(timeout_s=7)
    assert settling_s(policy) >= 7 + 3 * 60 + 30 + 60


def test_rare_episodes_are_played_before_the_others() -> None:
    years = [
        episodes_of(draw_year((X, Y), 0.05, np.random.default_rng(at)), CHAIN, 600)
        for at in range(20)
    ]
    several, single = drawn(years, 200, lambda _: 1.0, np.random.default_rng(0))
    assert all(item.several for item in several.chosen)
    assert not any(item.several for item in single.chosen)
    assert len(several.chosen) == 100
    assert len(single.chosen) == 100
    assert several.per_year == pytest.approx(sum(several.counts) / 20)


def test_a_years_sum_has_the_interval_of_a_compound_poisson_law() -> None:
    """Coverage of the mean over repeated draws of episodes."""
    generator = np.random.default_rng(5)
    truth, inside, times = 30.0 * math.exp(0.5), 0, 400
    column = SUMS.index("lost")
    for _ in range(times):
        counts = generator.poisson(30.0, 200)
        sums = np.zeros((150, len(SUMS)))
        sums[:, column] = np.exp(generator.standard_normal(150))
        stratum = Stratum(float(counts.mean()), counts, ())
        found = Years((stratum,), (sums,), np.zeros(0)).total({"lost": 1.0})
        inside += found.low <= truth <= found.high
    assert inside / times == pytest.approx(0.90, abs=0.05)


def test_a_bad_year_is_worse_than_the_mean() -> None:
    counts = np.random.default_rng(1).poisson(10.0, 500)
    sums = np.zeros((50, len(SUMS)))
    sums[:, SUMS.index("lost")] = 1.0
    years = Years((Stratum(10.0, counts, ()),), (sums,), np.zeros(0))
    assert years.bad_year("lost", 0.95, np.random.default_rng(0)) == np.quantile(counts, 0.95)


def test_the_interval_of_a_years_losses_covers_the_truth() -> None:
    """Episodes and quiet log both drawn anew: nine in ten intervals hold the true number."""
    generator = np.random.default_rng(9)
    per_year, usual, mean, size, rate = 1e6, 0.004, 60.0, 200.0, 25.0
    truth = rate * mean + (per_year - rate * size) * usual
    inside, times = 0, 300
    for _ in range(times):
        counts = generator.poisson(rate, 200)
        sums = np.zeros((80, len(SUMS)))
        sums[:, SUMS.index("requests")] = size
        sums[:, SUMS.index("lost")] = generator.gamma(2, mean / 2, 80)
        quiet = np.zeros(len(SUMS))
        quiet[SUMS.index("requests")] = 20_000
        quiet[SUMS.index("lost")] = generator.binomial(20_000, usual)
        years = Years((Stratum(float(counts.mean()), counts, ()),), (sums,), np.zeros(0))
        found = lost_in_a_year(per_year, Tally(quiet, np.zeros(0)), years)
        inside += found.low <= truth <= found.high
    assert inside / times == pytest.approx(0.90, abs=0.06)
