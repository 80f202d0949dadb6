"""The fixed sequence: bounds that hold for hits on the same answer, and an end at a failure."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.cache.semantic_answers import Label
from llmops_cli.cache.semantic_threshold import (
    Status,
    Tally,
    entries_needed,
    fixed_sequence,
    last_passed,
    tally,
)
from llmops_cli.stats.intervals import Interval, clopper_pearson

LEVEL = 0.9


def labels(false: int, true: int, unknown: int = 0) -> npt.NDArray[np.int8]:
    values = [Label.CONFLICT] * false + [Label.EQUAL] * true + [Label.UNKNOWN] * unknown
    return np.array(values, dtype=np.int8)


def test_hits_on_answers_of_their_own_have_the_exact_interval() -> None:
    found = tally(labels(3, 397), np.arange(400), LEVEL)
    exact = clopper_pearson(3, 400, LEVEL)
    assert (found.hits, found.labelled, found.false, found.entries) == (400, 400, 3, 400)
    assert found.share == 3 / 400
    assert found.interval.high >= exact.high
    assert found.interval.high == pytest.approx(exact.high, rel=0.02)


def test_hits_on_few_answers_are_worth_few_hits() -> None:
    apart = tally(labels(0, 1000), np.arange(1000), LEVEL)
    together = tally(labels(0, 1000), np.arange(1000) % 50, LEVEL)
    assert apart.interval.high == clopper_pearson(0, 1000, LEVEL).high
    assert together.interval.high == clopper_pearson(0, 50, LEVEL).high


@given(st.integers(2, 60), st.integers(1, 200), st.integers(0, 50))
def test_a_false_hit_more_never_shows_less(entries: int, hits: int, false: int) -> None:
    hits = max(hits, entries)
    codes = np.arange(hits) % entries
    none = tally(labels(0, hits), codes, LEVEL).interval
    some = tally(labels(min(false, hits), hits - min(false, hits)), codes, LEVEL).interval
    assert some.high >= none.high
    assert some.high >= clopper_pearson(min(false, hits), hits, LEVEL).high


def test_what_was_not_logged_counts_for_nothing() -> None:
    found = tally(labels(0, 5, unknown=7), np.arange(12), LEVEL)
    assert (found.hits, found.labelled, found.entries) == (12, 5, 5)


@pytest.mark.parametrize("entries", [[], [4], [4, 4, 4]])
def test_one_answer_says_nothing_about_another(entries: list[int]) -> None:
    found = tally(labels(0, len(entries)), np.array(entries, dtype=np.int64), LEVEL)
    assert found.interval == Interval(0.0, 1.0)
    assert (found.share is None) == (not entries)


@pytest.mark.parametrize(("bound", "needed"), [(0.01, 299), (0.05, 59), (0.5, 5), (0.999, 2)])
def test_so_many_answers_without_a_false_hit_show_the_bound(bound: float, needed: int) -> None:
    assert entries_needed(bound, LEVEL) == needed
    assert tally(labels(0, needed), np.arange(needed), LEVEL).interval.high <= bound
    if needed > 2:
        fewer = tally(labels(0, needed - 1), np.arange(needed - 1), LEVEL)
        assert fewer.interval.high > bound


def counted(high: float, entries: int = 400, labelled: int = 400, hits: int = 400) -> Tally:
    return Tally(hits, labelled, 0, entries, Interval(0.0, high))


@pytest.mark.parametrize(
    ("tallies", "expected", "last"),
    [
        ([], [], None),
        ([counted(0.009), counted(0.01)], [Status.PASSED, Status.PASSED], 1),
        (
            [counted(0.009), counted(0.02), counted(0.001)],
            [Status.PASSED, Status.FAILED, Status.AFTER],
            0,
        ),
        ([counted(0.02), counted(0.001)], [Status.FAILED, Status.AFTER], None),
        ([counted(1.0, entries=298), counted(0.005)], [Status.FEW, Status.PASSED], 1),
        ([counted(1.0, 0, 0, 9), counted(1.0, 0, 0, 0)], [Status.BLIND, Status.FEW], None),
    ],
)
def test_the_first_failure_ends_the_sequence_and_too_few_hits_do_not(
    tallies: list[Tally], expected: list[Status], last: int | None
) -> None:
    assert fixed_sequence(tallies, 0.01, LEVEL) == tuple(expected)
    assert last_passed(expected) == last


def traffic(
    generator: np.random.Generator, entries: int, shares: list[float]
) -> list[tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]]:
    """Hits of ever looser rules: each adds answers of its own, wrong with a share of its own."""
    found, served, wrong = [], list[int](), list[bool]()
    for number, share in enumerate(shares):
        sizes = generator.geometric(0.4, entries)
        # An answer is wrong for nearly all who get it, or for nearly none.
        p = generator.beta(share * 2, (1 - share) * 2, entries)
        codes = np.repeat(np.arange(entries), sizes)
        served += (codes + number * entries).tolist()
        wrong += (generator.random(len(codes)) < p[codes]).tolist()
        kinds = np.where(wrong, Label.CONFLICT, Label.EQUAL).astype(np.int8)
        found.append((kinds, np.array(served, dtype=np.int64)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("entries", [80, 400])
def test_an_unsafe_rule_is_chosen_no_more_often_than_the_level_says(entries: int) -> None:
    """Rates go from well under the bound of 5 % to over it: to choose one over it is the error."""
    # Cumulative shares: 0.5 %, 2.75 %, 5.17 % (just over the bound), 8.9 %.
    shares, over = [0.005, 0.05, 0.1, 0.2], 2
    runs, errors, useful = 1000, 0, 0
    for seed in range(runs):
        generator = np.random.default_rng(seed)
        tallies = [tally(*hits, LEVEL) for hits in traffic(generator, entries, shares)]
        chosen = last_passed(fixed_sequence(tallies, 0.05, LEVEL))
        errors += chosen is not None and chosen >= over
        useful += chosen is not None and chosen < over
    spread = (0.05 * 0.95 / runs) ** 0.5
    assert errors / runs <= 0.05 + 3 * spread
    assert useful / runs > 0.4
