"""The reviewed rows: each has a source, a day it was checked, and exactly one way to price."""

from datetime import date

import pytest

from llmops_cli.prices import CLASSES
from llmops_cli.prices.overlay import OverlayRow, overlay_rows, rows_for


@pytest.mark.parametrize("row", overlay_rows(), ids=lambda row: f"{row.class_name} {row.models}")
def test_every_row_can_be_audited(row: OverlayRow) -> None:
    assert row.class_name in {*CLASSES, "all"}
    assert len(row.source) > 20
    assert "://" not in row.source
    assert date(2026, 1, 1) < row.checked_on < date(2027, 1, 1)
    ways = (row.usd_per_mtok, row.times_input, row.times_standard)
    assert sum(way is not None for way in ways) == 1


def test_rows_hold_from_their_day_until_the_day_before_their_end() -> None:
    row = OverlayRow(
        class_name="input",
        models="^m$",
        source="",
        checked_on=date(2026, 1, 1),
        always=True,
        since=date(2026, 2, 1),
        until=date(2026, 3, 1),
        usd_per_mtok=1.0,
    )
    days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)]
    assert [row.covers("M", "any", day) for day in days] == [False, True, True, False]
    assert not row.covers("other", "any", days[1])


@pytest.mark.parametrize(
    ("way", "expected"),
    [({"usd_per_mtok": 7.0}, 7.0), ({"times_input": 2.0}, 6.0), ({"times_standard": 0.5}, 2.0)],
)
def test_ways_to_price(way: dict[str, float], expected: float) -> None:
    row = OverlayRow(
        class_name="input", models="", source="", checked_on=date.min, always=True, **way
    )
    assert row.price(standard=4.0, base_input=3.0) == expected
    assert row.price(standard=None, base_input=None) == way.get("usd_per_mtok")


def test_a_row_of_another_provider_or_tier_is_not_found() -> None:
    day = date(2026, 9, 1)
    assert not list(rows_for("gpt-5.6", "openai", day, service_tier="batch"))
    assert list(rows_for("claude-opus-5", "anthropic", day, service_tier="batch"))
