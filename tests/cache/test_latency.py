"""The effect on the time to the first token: from the log's own times, or not at all."""

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.latency import Effect, Timed, effect

Ints = npt.NDArray[np.int64]

BASE, FRESH, READ = 0.4, 0.05, 0.004
"""Seconds at nothing, per 1,000 fresh and per 1,000 read tokens."""


def timed(
    seed: int = 0, *, conversations: int = 40, turns: int = 10, model: str = "claude-sonnet-5"
) -> Timed:
    """Calls whose times follow the line, with slow conversations and requests that stall."""
    draw = np.random.default_rng(seed)
    n = conversations * turns
    cluster = np.repeat(np.arange(conversations), turns)
    read = draw.integers(0, 60, n) * 1000 * (draw.random(n) < 0.7)
    fresh, written = draw.integers(100, 30_000, n), draw.integers(0, 9_000, n)
    ttft = BASE + FRESH * (fresh + written) / 1000 + READ * read / 1000
    ttft += draw.normal(0, 0.05, conversations)[cluster] + draw.normal(0, 0.1, n)
    ttft += (draw.random(n) < 0.03) * draw.exponential(20, n)
    billed = np.column_stack([fresh, read, written, np.zeros(n), np.full(n, 50)]).astype(np.int64)
    models = np.full(n, model, dtype=object)
    return Timed(ttft, billed, np.ones(n, np.bool_), models, cluster.astype(np.int64))


def change(found: Effect) -> tuple[float, float, float]:
    first = found.measures[0]
    assert first.value is not None
    assert first.low is not None
    assert first.high is not None
    return first.value, first.low, first.high


def test_a_policy_that_reads_more_is_faster_by_the_slope() -> None:
    log = timed()
    more = np.full(len(log.ttft_s), 10_000)
    value, low, high = change(effect(log, log.billed[:, 1] + more, log.billed[:, 1]))
    truth = 10 * (READ - FRESH)
    assert value == pytest.approx(truth, rel=0.05)
    assert low < truth < high < 0
    slope = effect(log, log.billed[:, 1], log.billed[:, 1]).measures[1]
    assert slope.name == "ttft_per_1k_read_s_claude-sonnet-5"
    assert slope.value == pytest.approx(READ - FRESH, rel=0.05)


def test_stalled_requests_do_not_decide() -> None:
    log = timed(4)
    columns = np.column_stack(
        [np.ones(len(log.ttft_s)), log.billed[:, [0, 2]].sum(axis=1) / 1e3, log.billed[:, 1] / 1e3]
    )
    plain = np.linalg.lstsq(columns, log.ttft_s, rcond=None)[0]
    found = effect(log, log.billed[:, 1], log.billed[:, 1]).measures[1].value
    assert found is not None
    assert abs(found - (READ - FRESH)) < abs(plain[2] - plain[1] - (READ - FRESH)) / 3


def test_the_same_reads_change_nothing() -> None:
    log = timed()
    assert change(effect(log, log.billed[:, 1], log.billed[:, 1])) == (0.0, 0.0, 0.0)


def test_models_have_slopes_of_their_own_and_the_change_adds_up() -> None:
    one, two = timed(1, model="a"), timed(2, model="b")
    both = Timed(
        np.concatenate([one.ttft_s, two.ttft_s + 5]),
        np.concatenate([one.billed, two.billed]),
        np.concatenate([one.counted, two.counted]),
        np.concatenate([one.model, two.model]),
        np.concatenate([one.cluster, two.cluster + 100]),
    )
    reads = both.billed[:, 1]
    found = effect(both, reads + 1000, reads)
    apart = [effect(log, log.billed[:, 1] + 1000, log.billed[:, 1]) for log in (one, two)]
    assert len(found.measures) == 3
    assert change(found)[0] == pytest.approx(np.mean([change(item)[0] for item in apart]))


@pytest.mark.parametrize(
    ("change_to", "why"),
    [
        ({"ttft_s": np.nan}, "no call logs ttft_s"),
        ({"ttft_s": 0.0}, "every logged ttft_s is the same"),
        ({"counted": False}, "no call logs ttft_s beside its usage"),
        ({"read": 0}, "never vary"),
        ({"read": "fresh"}, "only vary together"),
        ({"cluster": 0}, "of 1 conversations are too few"),
        ({"rows": 29}, "29 timed calls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_the_logs_own_variation_there_is_no_figure(
    change_to: dict[str, object], why: str
) -> None:
    log = timed()
    rows = slice(0, int(str(change_to.get("rows", len(log.ttft_s)))))
    billed = log.billed[rows].copy()
    if "read" in change_to:
        billed[:, 2] = 0
        billed[:, 1] = 2 * billed[:, 0] if change_to["read"] == "fresh" else 0
    ttft, counted, cluster = log.ttft_s[rows], log.counted[rows], log.cluster[rows]
    if "ttft_s" in change_to:
        ttft = np.full_like(ttft, change_to["ttft_s"])
    if "counted" in change_to:
        counted = np.zeros_like(counted)
    if "cluster" in change_to:
        cluster = np.zeros_like(cluster)
    found = effect(
        Timed(ttft, billed, counted, log.model[rows], cluster), billed[:, 1] + 9, billed[:, 1]
    )
    assert found.measures == ()
    assert why in found.reason


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth, runs, covered = READ - FRESH, 400, 0
    for seed in range(runs):
        log = timed(seed, conversations=25, turns=6)
        slope = effect(log, log.billed[:, 1], log.billed[:, 1], level=0.9).measures[1]
        assert slope.low is not None
        assert slope.high is not None
        covered += slope.low <= truth <= slope.high
    # 0.9 less three standard errors of 400 runs.
    assert covered / runs >= 0.9 - 3 * (0.9 * 0.1 / runs) ** 0.5
