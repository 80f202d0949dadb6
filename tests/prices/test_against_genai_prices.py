"""Differential: our disjoint classes price the same as genai-prices' overlapping counters."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider, Usage
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.prices import PriceBook

DAYS = [date(2025, 12, 1), date(2026, 3, 1), date(2026, 6, 1), date(2026, 11, 1)]
BOOK = PriceBook()
COUNTS = st.integers(0, 150_000)


def theirs(provider: Provider, model: ModelInfo, tokens: list[int], day: date) -> float | None:
    """Their price, None where they do not price every class that is used."""
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    prices = model.get_prices(moment)
    fresh, read, five, hour, output = tokens
    needed = [
        (prices.input_mtok, 1),
        (prices.output_mtok, 1),
        (prices.cache_read_mtok, read),
        (prices.cache_write_mtok, five),
        (prices.cache_write_1h_mtok, hour),
    ]
    if any(price is None and count for price, count in needed):
        return None
    usage = Usage(
        input_tokens=fresh + read + five + hour,
        cache_read_tokens=read,
        cache_write_tokens=five + hour,
        cache_write_1h_tokens=hour,
        output_tokens=output,
    )
    total = model.calc_price(usage, provider, genai_request_timestamp=moment).total_price
    extra = prices.requests_kcount
    per_request = extra if isinstance(extra, Decimal) else Decimal(0)
    return float(total - per_request / 1000)


def catalogue() -> list[tuple[str, str]]:
    """Models of the providers whose bare names lead back to the same entry."""
    book = get_snapshot()
    return [
        (provider.id, model.id)
        for provider in book.providers
        if provider.id in {"anthropic", "openai", "google", "x-ai", "deepseek", "mistral", "aws"}
        for model in provider.models
        if provider.find_model(model.id) is model
    ]


MODELS = catalogue()


def test_there_are_enough_models_to_compare() -> None:
    assert len(MODELS) > 300


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    "tokens",
    [[1000, 0, 0, 0, 500], [1000, 7000, 0, 0, 500], [50, 7000, 900, 0, 1], [3, 7, 11, 13, 17]],
    ids=["no cache", "read", "5m write", "all classes"],
)
def test_every_model_prices_the_same(day: date, tokens: list[int]) -> None:
    compared = 0
    for provider_id, name in MODELS:
        provider, model = get_snapshot().find_provider_model(name, None, provider_id, None)
        expected = theirs(provider, model, tokens, day)
        if expected is None or name.startswith("claude-sonnet-5-5"):  # our overlay corrects it
            continue
        ours = BOOK.rates(name, day, provider=provider_id).usd(np.array([tokens])).sum()
        assert ours == pytest.approx(expected, rel=1e-12), (provider_id, name)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("name", ["claude-haiku-5-5", "claude-sonnet-4-5", "claude-sonnet-4-6"])
@settings(max_examples=60, deadline=None)
@given(tokens=st.lists(COUNTS, min_size=5, max_size=5), day=st.sampled_from(DAYS))
def test_long_prompts_step_at_the_same_token(name: str, tokens: list[int], day: date) -> None:
    provider, model = get_snapshot().find_provider_model(name, None, "anthropic", None)
    expected = theirs(provider, model, tokens, day)
    assert expected is not None
    ours = BOOK.rates(name, day).usd(np.array([tokens])).sum()
    assert ours == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(COUNTS, min_size=5, max_size=5), min_size=1, max_size=20))
def test_pricing_many_calls_is_pricing_each(rows: list[list[int]]) -> None:
    rates = BOOK.rates("claude-haiku-5-5", DAYS[-1])
    together = rates.usd(np.array(rows))
    alone = np.vstack([rates.usd(np.array([row])) for row in rows])
    assert np.array_equal(together, alone)
