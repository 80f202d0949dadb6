"""Is the price book sound? Every cache price against its declared rule, our rows against theirs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from llmops_cli.errors import LlmopsError
from llmops_cli.prices.book import PriceBook, catalogue
from llmops_cli.prices.model import CLASSES, ClassPrices, Rates
from llmops_cli.prices.multipliers import multiplier_for, multipliers
from llmops_cli.prices.overlay import OverlayRow, overlay_rows

__all__ = ["Compared", "Deviation", "check_prices"]

_CLOSE = 0.03
"""Prices are published in rounded cents: a ratio within three per cent keeps its rule."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is off.

    ``kind`` is ``ratio`` (a price breaks the declared multiple), ``redundant`` (the package has
    caught up with a correction of ours) or ``idle`` (a row of ours matches no model).
    """

    kind: str
    model: str
    class_name: str
    found: float | None
    declared: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What was checked, and what of it is off."""

    prices: int
    corrections: int
    deviations: tuple[Deviation, ...]


def check_prices(on: date, book: PriceBook | None = None) -> Compared:
    """Compare every model that has a declared rule, and every row of the overlay.

    Corrections that hold on other days are looked at on the last day on which they hold.
    """
    used, bare = book or PriceBook(), PriceBook(overlay=False)
    ratios = [found for seller, name in _declared() for found in _ratios(used, seller, name, on)]
    rows = [(row, _corrected(row, used, bare, on)) for row in overlay_rows()]
    ours = [deviation for row, pairs in rows for deviation in _ours(row, pairs)]
    broken = [found for found in ratios if not _keeps(found)]
    return Compared(
        prices=len(ratios),
        corrections=sum(before != after for _, pairs in rows for _, before, after in pairs),
        deviations=(*broken, *ours),
    )


def _declared() -> Iterable[tuple[str, str]]:
    sellers = {row.provider for row in multipliers()}
    return ((seller, name) for seller, name in catalogue() if seller in sellers)


def _ratios(book: PriceBook, seller: str, name: str, on: date) -> Iterable[Deviation]:
    rule = multiplier_for(name, seller, on)
    if rule is None:
        return
    rates = book.rates(name, on, provider=seller)
    tables: list[ClassPrices] = [rates, *(table for _, table in rates.long_prompts)]
    for table in tables:
        for cls in CLASSES[1:4]:
            price = getattr(table, cls)
            if price is not None and table.input:
                yield Deviation(
                    "ratio", name, cls, price / table.input, rule.of_class(cls), rule.source
                )


def _keeps(found: Deviation) -> bool:
    if found.declared is None:
        return False
    return abs((found.found or 0.0) / found.declared - 1) <= _CLOSE


Pair = tuple[str, float | None, float | None]


def _corrected(row: OverlayRow, used: PriceBook, bare: PriceBook, on: date) -> list[Pair]:
    # Model, price without and with our rows, wherever the row speaks.
    day = min(max(on, row.since), row.until - timedelta(days=1)) if row.until < date.max else on
    pairs: list[Pair] = []
    for seller, name in catalogue():
        if not row.covers(name, seller, day):
            continue
        without, with_ours = (
            _price(book, (name, seller, row.service_tier), row.class_name, day)
            for book in (bare, used)
        )
        pairs.append((name, without, with_ours))
    return pairs


def _price(book: PriceBook, key: tuple[str, str, str], class_name: str, day: date) -> float | None:
    name, seller, tier = key
    try:
        rates: Rates = book.rates(name, day, provider=seller, service_tier=tier)
    except LlmopsError:
        return None
    return getattr(rates, "input" if class_name == "all" else class_name)


def _ours(row: OverlayRow, pairs: list[Pair]) -> Iterable[Deviation]:
    if not pairs:
        yield Deviation("idle", row.models, row.class_name, None, None, row.source)
    elif row.always:
        for name, before, after in pairs:
            if before == after:
                yield Deviation("redundant", name, row.class_name, before, after, row.source)
