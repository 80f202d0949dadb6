"""The book itself: genai-prices rows and our overlay become Rates, resolved once per question."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from llmops_cli.errors import LlmopsError
from llmops_cli.prices.model import CLASSES, ClassPrices, Rates
from llmops_cli.prices.overlay import rows_for

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

__all__ = ["PriceBook", "catalogue"]

_KEYS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
}
# OpenTelemetry provider names that genai-prices does not know under that name.
_PROVIDERS = {"x_ai": "x-ai", "gcp.gen_ai": "google", "azure.ai.inference": "azure"}
_STANDARD = {"", "standard", "default", "auto", "on_demand"}
_MULTIPLES = {"us"}
_NOON = time(12, tzinfo=UTC)


class PriceBook:
    """Rates by model and day; the same question is answered from memory the second time.

    ``overlay`` off leaves out our reviewed rows: what the installed package alone would say.
    """

    def __init__(self, *, overlay: bool = True) -> None:
        self._known: dict[tuple[str, date, str, str], Rates] = {}
        self._overlay = overlay

    def rates(self, model: str, on: date, *, provider: str = "", service_tier: str = "") -> Rates:
        """The rates of ``model`` on the day ``on`` (noon UTC where a price has hours).

        Args:
            model: the name in the log, or ``provider/model``.
            on: the day of the call; prices have histories.
            provider: who served the call, as genai-prices or OpenTelemetry call it.
            service_tier: ``batch``, ``flex``, ``us`` … , joined by ``+`` where several apply;
                anything standard may be empty.

        Raises:
            LlmopsError: ``price-unknown-model`` with close names, ``price-unknown-tier`` when
                the service tier has no published price for this model.
        """
        tier = "standard" if service_tier.lower() in _STANDARD else service_tier.lower()
        key = (model, on, provider, tier)
        if key not in self._known:
            self._known[key] = self._resolve(model, on, _PROVIDERS.get(provider, provider), tier)
        return self._known[key]

    def _resolve(self, model: str, on: date, provider: str, tier: str) -> Rates:
        return _resolve(model, on, provider, tier, overlay=self._overlay)


@cache
def catalogue() -> tuple[tuple[str, str], ...]:
    """Provider and model of everything the installed package prices and finds by that name."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as in _find

    return tuple(
        (seller.id, info.id)
        for seller in get_snapshot().providers
        for info in seller.models
        if seller.find_model(info.id) is info
    )


def _resolve(model: str, on: date, provider: str, tier: str, *, overlay: bool) -> Rates:
    seller, info = _find(model, provider)
    moment = datetime.combine(on, _NOON)
    standard = info.get_prices(moment)
    starts = _thresholds(standard)
    sources = _sources(standard, info.id)
    where = (info.id, seller.id, on)
    tables = [_standard(standard, start, where if overlay else None, sources) for start in starts]
    # A tier the package prices by itself comes first; multiples (a region) go on top of it.
    for part in sorted(tier.split("+"), key=_MULTIPLES.__contains__):
        if part not in _STANDARD:
            variant = _variant(standard, info.get_prices(moment, _context(part)), len(tables))
            tables = _varied(tables, variant, (*where, part), sources, overlay=overlay)
    base, *rest = tables
    return Rates(
        **base,
        model=info.id,
        provider=seller.id,
        on=on,
        service_tier=tier,
        long_prompts=tuple(
            (start, ClassPrices(**table)) for start, table in zip(starts[1:], rest, strict=True)
        ),
        sources=sources,
    )


Table = dict[str, float | None]


def _standard(
    prices: "ModelPrice", start: int, where: tuple[str, str, date] | None, sources: dict[str, str]
) -> Table:
    table: Table = {name: _at(_raw(prices, name), start) for name in CLASSES}
    for row in rows_for(*where) if where else ():
        name = row.class_name
        if row.always or table[name] is None:
            table[name] = row.price(table[name], table["input"])
            if table[name] is not None:
                sources[name] = row.source
    return table


def _variant(standard: "ModelPrice", varied: "ModelPrice", steps: int) -> list[Table] | None:
    # The package answers with standard prices where it knows no others.
    starts = _thresholds(varied)
    if len(starts) != steps or _raw(varied, "input") == _raw(standard, "input"):
        return None
    return [{name: _at(_raw(varied, name), start) for name in CLASSES} for start in starts]


def _varied(
    tables: list[Table],
    variant: list[Table] | None,
    where: tuple[str, str, date, str],
    sources: dict[str, str],
    *,
    overlay: bool,
) -> list[Table]:
    model, provider, on, tier = where
    if variant is not None:
        sources.update(dict.fromkeys(sources, f"genai-prices, {model}, {tier}"))
        return variant
    for row in rows_for(model, provider, on, service_tier=tier) if overlay else ():
        sources.update(dict.fromkeys(sources, row.source))
        return [{n: row.price(value, t["input"]) for n, value in t.items()} for t in tables]
    raise LlmopsError(
        "price-unknown-tier",
        f"no price is published for {model} in service tier '{tier}' on {on}",
        hint="price the traffic as of another day with --on DATE",
    )


def _find(model: str, provider: str) -> "tuple[Provider, ModelInfo]":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.2 s, only for pricing

    book = get_snapshot()
    prefix, _, rest = model.partition("/")
    for name, seller in ((model, provider), (rest, prefix)):
        if name:
            try:
                return book.find_provider_model(name, None, seller or None, None)
            except LookupError:
                continue
    ids = [info.id for seller in book.providers for info in seller.models]
    near = get_close_matches(rest or model, sorted(set(ids)), n=3, cutoff=0.6)
    said = f" served by {provider}" if provider else ""
    raise LlmopsError(
        "price-unknown-model",
        f"no price is known for the model '{model}'{said}",
        hint=(f"did you mean {' or '.join(near)}? " if near else "")
        + "--price-as MODEL prices the traffic as a model of your choice",
        field="model",
    )


def _context(tier: str) -> dict[str, str]:
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _raw(prices: "ModelPrice", name: str) -> "Decimal | TieredPrices | None":
    return next((value for key in _KEYS[name] if (value := getattr(prices, key)) is not None), None)


def _thresholds(prices: "ModelPrice") -> list[int]:
    tiered = (_raw(prices, name) for name in CLASSES)
    return sorted({0} | {tier.start for value in tiered for tier in getattr(value, "tiers", ())})


def _at(value: "Decimal | TieredPrices | None", start: int) -> float | None:
    if value is None or isinstance(value, Decimal):
        return None if value is None else float(value)
    fitting = [tier.price for tier in value.tiers if tier.start <= start]
    return float(fitting[-1] if fitting and start else value.base)


def _sources(prices: "ModelPrice", model: str) -> dict[str, str]:
    return {n: f"genai-prices, {model}" for n in CLASSES if _raw(prices, n) is not None}
