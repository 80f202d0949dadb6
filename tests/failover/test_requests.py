"""The log as requests, the log's own episodes, and what an answer costs away from home."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from llmops_cli.calls import COLUMNS, arrow_schema, from_arrow
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.document import pool_from_yaml
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.model import Pool
from llmops_cli.failover.own_episodes import own_episodes
from llmops_cli.failover.pricing import worth_of
from llmops_cli.failover.requests import Requests, requests_of
from llmops_cli.failover.worth import LIFETIME_S, cold

START_US = 1_788_249_600_000_000
POOL = """
schema: llmops.failover/1
deployments:
  - {name: a, provider: anthropic, model: claude-sonnet-4-5, quality: {chat: 0.9, code: 0.8}}
  - {name: b, provider: openai, model: gpt-4.1, quality: {"": 0.7}, requests_per_minute: 5}
"""


def table(seconds: list[float], **columns: Any) -> pd.DataFrame:  # noqa: ANN401 - column values
    n = len(seconds)
    filled: dict[str, Any] = {
        "call_id": [f"m{i}" for i in range(n)],
        "start_time": [START_US + round(1e6 * each) for each in seconds],
        "duration_s": [2.0] * n,
        "input_tokens": [100] * n,
        "cache_read_tokens": [900] * n,
        "output_tokens": [50] * n,
        "task": ["chat"] * n,
        **columns,
    }
    arrays = [
        pa.array(filled.get(column.name, [None] * n), type=column.type, from_pandas=True)
        for column in COLUMNS
    ]
    return from_arrow(pa.table(arrays, schema=arrow_schema()))


def pool(requests: Requests, text: str = POOL) -> Pool:
    return pool_from_yaml(text, requests.began, requests.period_s, source="pool.yaml")


def test_requests_come_in_the_order_of_their_time() -> None:
    found = requests_of(table([30.0, 0.0, 10.0], duration_s=[3.0, 1.0, 2.0]))
    assert found.arrival_s.tolist() == [0.0, 10.0, 30.0]
    assert found.duration_s.tolist() == [1.0, 2.0, 3.0]
    assert found.period_s == 45.0


def test_a_failed_call_is_played_with_the_median_of_those_that_succeeded() -> None:
    found = requests_of(
        table(
            [0.0, 1.0, 2.0, 3.0],
            duration_s=[1.0, 9.0, 3.0, 5.0],
            error_type=[None, "500", None, None],
            input_tokens=[10, None, 30, 20],
            cache_read_tokens=[0, None, 0, 0],
            output_tokens=[1, None, 3, 2],
        )
    )
    assert found.duration_s.tolist() == [1.0, 3.0, 3.0, 5.0]
    assert found.tokens[1].tolist() == [20, 0, 0, 0, 2]
    assert found.filled == 1


def test_the_log_repeats_and_every_pass_has_its_own_luck() -> None:
    found = requests_of(table([0.0, 10.0, 20.0]))
    load, row = found.between(25.0, 75.0)
    assert list(load.arrivals_s) == [30.0, 40.0, 50.0, 60.0, 70.0]
    assert row.tolist() == [0, 1, 2, 0, 1]
    assert list(load.numbers) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("columns", "slug"),
    [
        ({"duration_s": [None, None]}, "calls-missing-column"),
        ({"error_type": ["500", "500"]}, "failover-no-duration"),
    ],
)
def test_a_log_that_cannot_be_played_is_refused(columns: dict[str, Any], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        requests_of(table([0.0, 1.0], **columns))
    assert caught.value.slug == slug


@pytest.mark.parametrize("seconds", [[0.0], [5.0, 5.0]])
def test_a_log_of_one_moment_is_refused(seconds: list[float]) -> None:
    with pytest.raises(LlmopsError) as caught:
        requests_of(table(seconds))
    assert caught.value.slug == "failover-no-span"


def brute_force(failed: list[bool]) -> list[tuple[int, int]]:
    """All maximal scoring subsequences by their definition, recursively."""
    scores = [1 if each else -1 for each in failed]

    def search(low: int, high: int) -> list[tuple[int, int]]:
        best, where = 0, None
        for i in range(low, high):
            total = 0
            for j in range(i, high):
                total += scores[j]
                # Of equal ones the shortest: no proper part of it has the same score.
                if total > best or (total == best and where and j + 1 - i < where[1] - where[0]):
                    best, where = total, (i, j + 1)
        if where is None:
            return []
        return [*search(low, where[0]), where, *search(where[1], high)]

    return search(0, len(scores))


@pytest.mark.parametrize("seed", range(30))
def test_episodes_are_the_maximal_scoring_stretches(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rate = np.repeat(generator.choice([0.05, 0.9, 0.5], 6), 12)
    failed = (generator.random(72) < rate).tolist()
    log = requests_of(
        table(
            [float(i) for i in range(72)], error_type=["503" if each else None for each in failed]
        )
    )
    expected = [
        (float(low), high - 1 - low + 1e-3)
        for low, high in brute_force(failed)
        if sum(failed[low:high]) >= 5
    ]
    found = own_episodes(log, "a")
    assert [(item.start_s, pytest.approx(item.duration_s)) for item in found] == expected


def test_scattered_errors_and_bad_requests_make_no_episode() -> None:
    seconds = [float(i) for i in range(60)]
    scattered = ["503" if i % 5 == 0 else None for i in range(60)]
    assert own_episodes(requests_of(table(seconds, error_type=scattered)), "a") == ()
    refused = ["400" if i < 50 else None for i in range(60)]
    assert own_episodes(requests_of(table(seconds, error_type=refused)), "a") == ()


def test_an_episode_says_how_much_failed_and_with_what() -> None:
    seconds = [float(i) for i in range(40)]
    errors = [None] * 10 + ["529", "529", None, "529", "429", "529", "529"] + [None] * 23
    (found,) = own_episodes(requests_of(table(seconds, error_type=errors)), "a")
    assert (found.form, found.share) == ("brownout", pytest.approx(6 / 7))
    assert found.error is FailureKind.OVERLOADED
    assert found.deployment == "a"


def test_away_from_home_a_conversation_begins_cold_and_is_warm_for_five_minutes() -> None:
    times = [0.0, 100.0, 100.0 + LIFETIME_S, 101.0 + 2 * LIFETIME_S, 5.0]
    log = requests_of(table(sorted(times), conversation_id=["c", "d", "c", "c", "c"]))
    row = np.arange(5)
    away = np.ones(5, dtype=np.int64)
    home = np.zeros(5, dtype=np.int64)
    found = cold(log, row, away, home, log.arrival_s)
    assert found.tolist() == [True, True, False, False, True]
    assert not cold(log, row, home, home, log.arrival_s).any()


def test_prices_of_a_cold_request_are_those_of_fresh_input() -> None:
    log = requests_of(table([0.0, 1.0]))
    worth = worth_of(log, pool(log))
    assert worth.warm_usd is not None
    assert worth.cold_usd is not None
    # Sonnet 4.5: 3, 0.3 and 15 USD per million; gpt-4.1: 2, 0.5 and 8.
    warm = [100 * 3 + 900 * 0.3 + 50 * 15, 100 * 2 + 900 * 0.5 + 50 * 8]
    fresh = [1000 * 3 + 50 * 15, 1000 * 2 + 50 * 8]
    assert (1e6 * worth.warm_usd[0]).tolist() == pytest.approx(warm)
    assert (1e6 * worth.cold_usd[0]).tolist() == pytest.approx(fresh)


def test_a_cached_token_without_a_price_is_input() -> None:
    log = requests_of(table([0.0, 1.0], cache_write_5m_tokens=[400, 400]))
    worth = worth_of(log, pool(log))
    assert worth.warm_usd is not None
    assert 1e6 * worth.warm_usd[0, 1] == pytest.approx(500 * 2 + 900 * 0.5 + 50 * 8)


def test_quality_follows_the_task_and_a_missing_class_is_refused() -> None:
    log = requests_of(table([0.0, 1.0], task=["code", "chat"]))
    quality = worth_of(log, pool(log)).quality
    assert quality is not None
    assert quality.tolist() == [[0.8, 0.7], [0.9, 0.7]]
    unknown = requests_of(table([0.0, 1.0], task=["code", "poem"]))
    with pytest.raises(LlmopsError) as caught:
        worth_of(unknown, pool(unknown))
    assert caught.value.slug == "failover-no-quality"


def test_an_unknown_model_is_refused() -> None:
    log = requests_of(table([0.0, 1.0]))
    with pytest.raises(LlmopsError) as caught:
        worth_of(log, pool(log, POOL.replace("gpt-4.1", "gpt-none")))
    assert caught.value.slug == "price-unknown-model"


def test_a_backup_is_held_against_the_busiest_minute() -> None:
    log = requests_of(table([float(i) for i in range(10)] + [300.0]))
    first, second = headroom(log, pool(log))
    assert first.carries is None
    assert (second.busiest_requests, second.carries) == (10, 0.5)
