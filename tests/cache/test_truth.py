"""The replay against the bill: agreement, unexplained misses, and what they do to savings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llmops_cli.cache.truth import Evictions, Truth, compare, evicted, saving_range
from llmops_cli.report import Measure

Ints = npt.NDArray[np.int64]
LEVEL = 0.9


def tokens(*rows: tuple[int, int, int]) -> Ints:
    """Fresh, read and written."""
    return np.array([[fresh, read, written, 0, 10] for fresh, read, written in rows], np.int64)


def compared(predicted: Ints, billed: Ints) -> Truth:
    found = compare(predicted, billed, np.ones(len(billed), np.bool_))
    assert found is not None
    return found


def ends(measure: Measure) -> tuple[float, float]:
    assert measure.low is not None
    assert measure.high is not None
    return measure.low, measure.high


def test_a_bill_that_follows_the_rules_agrees() -> None:
    rows = tokens((10, 0, 5000), (10, 5000, 0), (10, 5000, 400), (5410, 0, 0))
    found = compared(rows, rows)
    assert (found.calls, found.token_error, found.bias, found.unexpected) == (3, 0.0, 0.0, 0)
    assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert (found.promised.sum(), found.unexplained.sum(), found.lost_tokens.sum()) == (2, 0, 0)


@pytest.mark.parametrize(
    ("billed", "predicted_as", "billed_as", "unexplained", "unexpected"),
    [
        ((10, 0, 5000), "hit", "miss", 1, 0),
        ((10, 3000, 2000), "hit", "partial", 1, 0),
        ((10, 4900, 100), "hit", "partial", 0, 0),
        ((110, 4900, 0), "hit", "hit", 0, 0),
    ],
)
def test_a_promised_read_is_billed_within_the_error_of_tokens_or_unexplained(
    billed: tuple[int, int, int],
    predicted_as: str,
    billed_as: str,
    unexplained: int,
    unexpected: int,
) -> None:
    names = ("miss", "partial", "hit")
    found = compared(tokens((10, 5000, 0)), tokens(billed))
    assert found.confusion[names.index(predicted_as), names.index(billed_as)] == 1
    assert (int(found.unexplained.sum()), found.unexpected) == (unexplained, unexpected)
    assert found.token_error == pytest.approx(abs(5000 - billed[1]) / 5010)


def test_a_read_that_nothing_promised_is_unexpected() -> None:
    found = compared(tokens((10, 0, 5000)), tokens((10, 5000, 0)))
    assert (found.unexpected, found.promised.sum()) == (1, 0)
    assert found.bias == pytest.approx(-5000 / 5010)


def test_calls_without_usage_or_cache_are_not_compared() -> None:
    none = tokens((5000, 0, 0), (5000, 0, 0))
    assert compare(none, none, np.ones(2, np.bool_)) is None
    cached = tokens((0, 5000, 0), (0, 5000, 0))
    assert compare(cached, none, np.zeros(2, np.bool_)) is None
    half = compare(cached, none, np.array([True, False]))
    assert half is not None
    assert (half.calls, half.unexplained.tolist()) == (1, [True, False])


def drawn(misses: npt.NDArray[np.bool_]) -> Truth:
    """Promised reads of which these were not billed."""
    billed = tokens((0, 5000, 0)).repeat(len(misses), axis=0)
    predicted = billed.copy()
    billed[misses, 1:3] = (0, 5000)
    return compared(predicted, billed)


def test_the_rate_has_wilsons_interval() -> None:
    # Wilson (1927) at 95 %: 10 of 100 is 0.0552 to 0.1744.
    misses = np.arange(100) < 10
    rate = drawn(misses).rate(np.arange(100), 0.95)
    assert rate.value == 0.1
    assert ends(rate) == pytest.approx((0.0552, 0.1744), abs=5e-5)
    assert (rate.n, rate.method) == (100, "Wilson interval")


def test_misses_that_come_together_widen_it() -> None:
    misses, conversation = np.arange(100) < 10, np.arange(100) // 10
    found = drawn(misses)
    apart, together = (found.rate(codes, 0.95) for codes in (np.arange(100), conversation))
    assert ends(together)[0] < ends(apart)[0] < ends(apart)[1] < ends(together)[1]
    assert "clustered" in together.method


def test_nothing_promised_is_nothing_known() -> None:
    found = compared(tokens((0, 0, 5000)), tokens((0, 0, 5000)))
    rate = found.rate(np.zeros(1, np.int64), LEVEL)
    assert (rate.value, *ends(rate), rate.n) == (None, 0.0, 1.0, 0)


PRICE = np.array([[3.0, 0.3, 3.75, 6.0, 15.0]]) / 1e6


def test_without_its_entry_a_call_writes_up_to_its_breakpoints() -> None:
    # R6: all up to the last 1-hour breakpoint for an hour, the rest to the last for 5 minutes.
    rows = np.array([[100, 5000, 400, 0, 9], [5500, 0, 0, 0, 9]], np.int64)
    marked = (np.array([3000, 0]), np.array([5400, 0]))
    found = evicted(rows, marked, PRICE.repeat(2, axis=0))
    assert found.kept == pytest.approx([100 * 3e-6 + 5000 * 0.3e-6 + 400 * 3.75e-6, 5500 * 3e-6])
    assert found.gone == pytest.approx([100 * 3e-6 + 2400 * 3.75e-6 + 3000 * 6e-6, 5500 * 3e-6])
    assert found.usd(0.25) == pytest.approx(0.75 * found.kept + 0.25 * found.gone)


def chain(turns: int) -> tuple[Ints, tuple[Ints, Ints]]:
    """A conversation with the marker on its tail: system 4,000, then 500 a turn."""
    total = 4000 + 500 * np.arange(1, turns + 1)
    read = np.append([0], total[:-1])
    zero = np.zeros(turns, np.int64)
    rows = np.column_stack([zero, read, total - read, zero, zero]).astype(np.int64)
    return rows, (zero, total)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.4])
def test_the_formula_is_the_mean_of_a_cache_that_loses_entries(probability: float) -> None:
    turns, runs = 12, 4000
    rows, marked = chain(turns)
    expected = float(evicted(rows, marked, PRICE.repeat(turns, axis=0)).usd(probability).sum())
    draw = np.random.default_rng(5)
    spent = []
    for _ in range(runs):
        entries, usd = set[int](), 0.0
        for total in marked[1].tolist():
            before = total - 500
            if before in entries and draw.random() >= probability:
                usd += before * 0.3e-6 + 500 * 3.75e-6
            else:
                usd += total * 3.75e-6
            entries.add(total)
        spent.append(usd)
    error = float(np.std(spent)) / runs**0.5
    assert abs(float(np.mean(spent)) - expected) <= 4 * error + 1e-12


def costs(seed: int = 0) -> tuple[Evictions, Evictions, Ints]:
    draw = np.random.default_rng(seed)
    conversation = np.repeat(np.arange(30), 10)
    fresh = draw.uniform(0.5, 2.0, 300)
    policy = Evictions(0.15 * fresh, 1.25 * fresh)
    return policy, Evictions(fresh, fresh), conversation


def rate_of(value: float, low: float, high: float) -> Measure:
    return Measure(name="unexplained_miss", value=value, low=low, high=high, level=LEVEL, n=100)


def test_the_saving_falls_with_the_rate_and_its_range_holds_both_ends() -> None:
    policy, baseline, conversation = costs()
    certain = saving_range(policy, baseline, rate_of(0.0, 0.0, 0.0), conversation)
    doubtful = saving_range(policy, baseline, rate_of(0.4, 0.3, 0.5), conversation)
    assert certain.value == pytest.approx(0.85)
    assert doubtful.value == pytest.approx(1 - (0.6 * 0.15 + 0.4 * 1.25))
    low, high = ends(doubtful)
    assert low == pytest.approx(1 - (0.5 * 0.15 + 0.5 * 1.25))
    assert high == pytest.approx(1 - (0.7 * 0.15 + 0.3 * 1.25))


@pytest.mark.parametrize("rate", np.linspace(0.1, 0.6, 6).tolist())
def test_no_rate_inside_the_interval_leaves_the_range(rate: float) -> None:
    policy, _, conversation = costs()
    baseline = Evictions(2 * policy.kept[::-1], policy.gone[::-1])
    whole = saving_range(policy, baseline, rate_of(0.3, 0.1, 0.6), conversation)
    inside = saving_range(policy, baseline, rate_of(rate, rate, rate), conversation)
    low, high = ends(whole)
    assert inside.value is not None
    assert low <= inside.value <= high


def test_one_conversation_has_no_spread_to_carry() -> None:
    policy, baseline, conversation = costs()
    found = saving_range(policy, baseline, rate_of(0.1, 0.0, 0.2), np.zeros_like(conversation))
    assert ends(found) == (-1.0, 1.0)


def interval(seed: int, *, rate: float, spread: float, level: float) -> tuple[float, float]:
    """Of 40 conversations of 12 reads each; their own rates are beta with this correlation."""
    draw = np.random.default_rng(seed)
    own: Any = rate
    if spread:
        own = draw.beta(rate * (1 / spread - 1), (1 - rate) * (1 / spread - 1), 40).repeat(12)
    misses = draw.random(480) < own
    return ends(drawn(misses).rate(np.arange(480) // 12, level))


Draw = Callable[[int], tuple[float, float]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "spread"),
    [(0.02, 0.0), (0.1, 0.0), (0.4, 0.0), (0.1, 0.15), (0.4, 0.15), (0.4, 0.5)],
)
def test_the_interval_covers_the_true_rate_as_often_as_it_says(rate: float, spread: float) -> None:
    level, runs = 0.9, 1000
    found = np.array(
        [interval(seed, rate=rate, spread=spread, level=level) for seed in range(runs)]
    )
    covered = ((found[:, 0] <= rate) & (rate <= found[:, 1])).mean()
    # Three standard errors of the simulation, and two points for clusters that are few.
    assert covered >= level - 3 * (level * (1 - level) / runs) ** 0.5 - 0.02
    # An interval of everything would cover as well.
    assert np.median(found[:, 1] - found[:, 0]) < 0.35
