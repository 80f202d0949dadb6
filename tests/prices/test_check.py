"""The price book is sound today, and each way in which it could not be is found."""

from dataclasses import replace
from datetime import date

import pytest

from llmops_cli.prices import PriceBook, Rates, check_prices, multiplier_for
from llmops_cli.prices import check as check_module
from llmops_cli.prices.book import catalogue
from llmops_cli.prices.multipliers import Multiplier, multipliers
from llmops_cli.prices.overlay import OverlayRow, overlay_rows

NOVEMBER = date(2026, 11, 1)


@pytest.mark.parametrize("day", [date(2026, 9, 15), date(2026, 10, 7), NOVEMBER])
def test_every_price_keeps_its_declared_multiple(day: date) -> None:
    found = check_prices(day)
    assert found.deviations == ()
    assert found.prices > 150
    assert found.corrections > 0


class Mispriced(PriceBook):
    """The classic mistake: one-hour writes at the price of five-minute ones."""

    def rates(self, model: str, on: date, *, provider: str = "", service_tier: str = "") -> Rates:
        known = super().rates(model, on, provider=provider, service_tier=service_tier)
        return replace(known, cache_write_1h=known.cache_write_5m)


def test_a_price_that_breaks_its_rule_is_named_with_both_ratios() -> None:
    off = check_prices(NOVEMBER, Mispriced()).deviations
    opus = next(item for item in off if item.model == "claude-opus-5")
    assert (opus.kind, opus.class_name) == ("ratio", "cache_write_1h")
    assert (opus.found, opus.declared) == (1.25, 2.0)
    assert len(opus.source) > 20
    assert {item.class_name for item in off} == {"cache_write_1h"}


def test_a_fee_where_none_is_declared_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    free = tuple(replace(row, write_5m=None) for row in multipliers() if row.provider == "openai")
    monkeypatch.setattr("llmops_cli.prices.multipliers.multipliers", lambda: free)
    monkeypatch.setattr(check_module, "multipliers", lambda: free)
    off = check_prices(NOVEMBER).deviations
    assert {item.class_name for item in off} == {"cache_write_5m"}
    assert {item.declared for item in off} == {None}


def row(**given: object) -> OverlayRow:
    return OverlayRow(
        **{
            "class_name": "cache_read",
            "models": "^claude-opus-5$",
            "source": "somebody's release notes of a day in autumn",
            "checked_on": NOVEMBER,
            "provider": "anthropic",
            "always": True,
            "usd_per_mtok": 0.5,
            **given,
        }
    )


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "redundant"),
        ({"models": "^claude-opus-99$"}, "idle"),
        ({"until": NOVEMBER}, "redundant"),
    ],
)
def test_rows_of_ours_that_do_nothing_are_found(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], kind: str
) -> None:
    monkeypatch.setattr(check_module, "overlay_rows", lambda: (row(**given),))
    assert [item.kind for item in check_prices(NOVEMBER).deviations] == [kind]


def test_a_correction_that_is_over_is_looked_at_on_its_last_day() -> None:
    sonnet = next(item for item in overlay_rows() if item.until < date.max)
    assert sonnet.until <= NOVEMBER
    assert not [item for item in check_prices(NOVEMBER).deviations if item.kind == "redundant"]


def test_without_the_overlay_the_package_speaks_alone() -> None:
    day = date(2026, 9, 15)
    ours, theirs = (
        book.rates("claude-sonnet-5-5", day).cache_read
        for book in (PriceBook(), PriceBook(overlay=False))
    )
    assert (ours, theirs) == (0.2, 0.1)


@pytest.mark.parametrize("item", multipliers(), ids=lambda item: f"{item.provider} {item.models}")
def test_every_declared_rule_can_be_audited_and_is_used(item: Multiplier) -> None:
    assert len(item.source) > 20
    assert "://" not in item.source
    assert date(2026, 1, 1) < item.checked_on < date(2027, 1, 1)
    assert item.read is not None
    day = min(NOVEMBER, date.fromordinal(item.until.toordinal() - 1))
    assert any(multiplier_for(name, seller, day) is item for seller, name in catalogue())


@pytest.mark.parametrize(
    ("model", "day", "read"),
    [
        ("claude-opus-5", NOVEMBER, 0.1),
        ("claude-opus-5-5", NOVEMBER, 0.05),
        ("claude-sonnet-5-5", date(2026, 10, 6), 0.1),
        ("claude-sonnet-5-5", date(2026, 10, 7), 0.05),
        ("claude-fable-5", NOVEMBER, 0.1),
        ("claude-fable-5-1", NOVEMBER, 0.025),
        ("claude-mythos-5-2", NOVEMBER, 0.025),
        ("claude-3-haiku", NOVEMBER, 0.12),
    ],
)
def test_r17_reads_have_a_multiple_of_their_own_model_and_day(
    model: str, day: date, read: float
) -> None:
    rule = multiplier_for(model, "anthropic", day)
    assert rule is not None
    assert rule.read == read
    assert rule.of_class("output") is None


def test_a_model_without_a_declared_rule_has_none() -> None:
    assert multiplier_for("claude-2", "anthropic", NOVEMBER) is None
    assert multiplier_for("claude-opus-5", "openai", NOVEMBER) is None
