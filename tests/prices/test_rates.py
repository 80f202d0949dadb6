"""Rates: resolved by model, day, tier and prompt length; refused where nobody publishes one."""

from datetime import date

import numpy as np
import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.prices import CLASSES, PriceBook, Rates

NOVEMBER = date(2026, 11, 1)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


def of_input(rates: Rates) -> list[float]:
    return [round(getattr(rates, name) / rates.input, 4) for name in CLASSES[1:4]]


@pytest.mark.parametrize(
    ("model", "multiples"),
    [
        ("claude-opus-5", [0.1, 1.25, 2.0]),
        ("claude-sonnet-4-6", [0.1, 1.25, 2.0]),
        ("claude-opus-5-5", [0.05, 1.25, 2.0]),
        ("claude-sonnet-5-5", [0.05, 1.25, 2.0]),
        ("claude-fable-5-1", [0.025, 1.25, 2.0]),
        ("claude-fable-5-2", [0.025, 1.25, 2.0]),
        ("claude-mythos-5-2", [0.025, 1.25, 2.0]),
        ("claude-3-haiku", [0.12, 1.2, 2.0]),
    ],
)
def test_cache_prices_are_the_models_own_multiple_of_input(
    book: PriceBook, model: str, multiples: list[float]
) -> None:
    assert of_input(book.rates(model, NOVEMBER)) == multiples


@pytest.mark.parametrize(
    ("day", "read"), [(date(2026, 9, 15), 0.2), (date(2026, 10, 6), 0.2), (date(2026, 10, 7), 0.1)]
)
def test_the_overlay_corrects_a_price_up_to_its_day(
    book: PriceBook, day: date, read: float
) -> None:
    rates = book.rates("claude-sonnet-5-5", day)
    assert rates.cache_read == pytest.approx(read)
    assert ("claudit" in rates.sources["cache_read"]) == (read == 0.2)


@pytest.mark.parametrize(("day", "price"), [(date(2026, 3, 1), 6.0), (date(2026, 4, 1), 3.0)])
def test_long_prompts_pay_the_price_of_their_day(book: PriceBook, day: date, price: float) -> None:
    rates = book.rates("claude-sonnet-4-6", day)
    assert rates.per_token(np.array([300_000]))[0, 0] * 1e6 == pytest.approx(price)
    assert rates.per_token(np.array([200_000]))[0, 0] * 1e6 == pytest.approx(3.0)


def test_a_reseller_without_an_hourly_price_gets_the_documented_multiple(book: PriceBook) -> None:
    rates = book.rates("claude-3-5-sonnet", NOVEMBER, provider="gcp.vertex_ai")
    assert (rates.input, rates.cache_write_1h) == (3.0, 6.0)
    assert "2x" in rates.sources["cache_write_1h"]


@pytest.mark.parametrize("day", [date(2026, 9, 1), NOVEMBER])
def test_a_batch_costs_half_before_and_after_the_price_data_knew(
    book: PriceBook, day: date
) -> None:
    standard = book.rates("claude-opus-5", day)
    batch = book.rates("claude-opus-5", day, service_tier="batch")
    for name in CLASSES:
        assert getattr(batch, name) == pytest.approx(getattr(standard, name) / 2)
    assert batch.sources != standard.sources


def test_a_batch_keeps_the_price_steps_of_long_prompts(book: PriceBook) -> None:
    rates = book.rates("claude-haiku-5-5", NOVEMBER, service_tier="batch")
    assert [(start, prices.input) for start, prices in rates.long_prompts] == [(100_000, 0.25)]


@pytest.mark.parametrize(
    ("model", "tier", "multiple"),
    [
        ("claude-opus-5", "fast", 2.0),
        ("claude-opus-4-8", "fast", 2.0),
        ("claude-sonnet-4-6", "us", 1.1),
        ("claude-opus-5", "batch+us", 0.55),
        ("claude-opus-5", "us+batch", 0.55),
        ("gpt-5.6", "flex", 0.5),
        ("gpt-5.6", "priority", 2.0),
    ],
)
def test_r17_service_tiers_and_regions_multiply_every_class(
    book: PriceBook, model: str, tier: str, multiple: float
) -> None:
    standard = book.rates(model, NOVEMBER)
    varied = book.rates(model, NOVEMBER, service_tier=tier)
    for name in CLASSES:
        price = getattr(standard, name)
        if price is not None:
            assert getattr(varied, name) == pytest.approx(price * multiple)
    assert varied.sources != standard.sources


@pytest.mark.parametrize(
    ("model", "tier"), [("claude-sonnet-4-5", "us"), ("claude-sonnet-5", "fast")]
)
def test_r17_a_surcharge_is_not_sold_for_every_model(
    book: PriceBook, model: str, tier: str
) -> None:
    with pytest.raises(LlmopsError, match=tier) as refusal:
        book.rates(model, NOVEMBER, service_tier=tier)
    assert refusal.value.slug == "price-unknown-tier"


@pytest.mark.parametrize("tier", ["", "standard", "default", "Standard"])
def test_names_of_the_standard_tier(book: PriceBook, tier: str) -> None:
    assert book.rates("claude-opus-5", NOVEMBER, service_tier=tier).service_tier == "standard"


@pytest.mark.parametrize(
    ("name", "provider"),
    [("anthropic/claude-opus-5", ""), ("claude-opus-5", "anthropic"), ("Claude-Opus-5", "")],
)
def test_a_model_is_found_by_its_names(book: PriceBook, name: str, provider: str) -> None:
    assert book.rates(name, NOVEMBER, provider=provider).model == "claude-opus-5"


@pytest.mark.parametrize("provider", ["openai", "x_ai", "mistral_ai", "aws.bedrock", "gcp.gen_ai"])
def test_telemetry_names_of_providers_are_known(book: PriceBook, provider: str) -> None:
    with pytest.raises(LlmopsError) as refusal:
        book.rates("no-such-model-anywhere", NOVEMBER, provider=provider)
    assert refusal.value.slug == "price-unknown-model"


def test_an_unknown_model_is_refused_by_name_with_close_ones(book: PriceBook) -> None:
    with pytest.raises(LlmopsError) as refusal:
        book.rates("claude-hiaku-5-5", NOVEMBER)
    error = refusal.value
    assert error.exit_code is ExitCode.BAD_INPUT
    assert error.slug == "price-unknown-model"
    assert "'claude-hiaku-5-5'" in error.message
    assert "claude-haiku-5-5" in error.hint
    assert "--price-as" in error.hint


def test_an_unpublished_tier_is_refused(book: PriceBook) -> None:
    with pytest.raises(LlmopsError, match="priority") as refusal:
        book.rates("claude-opus-5", NOVEMBER, service_tier="priority")
    assert refusal.value.slug == "price-unknown-tier"


def test_a_class_without_a_price_is_refused_only_when_needed(book: PriceBook) -> None:
    rates = book.rates("gpt-5.6", NOVEMBER)
    assert rates.cache_write_1h is None
    assert rates.usd(np.array([[10, 5, 5, 0, 5]])).sum() > 0
    with pytest.raises(LlmopsError, match="cache write 1h") as refusal:
        rates.usd(np.array([[10, 5, 5, 1, 5]]))
    assert refusal.value.slug == "price-class-missing"


def test_the_same_question_is_answered_from_memory(book: PriceBook) -> None:
    assert book.rates("claude-opus-5", NOVEMBER) is book.rates("claude-opus-5", NOVEMBER)
